module github.com/gorgonia-s4/s4/internal/asm/gen

go 1.26.0

require github.com/mmcloughlin/avo v0.6.0

require golang.org/x/arch v0.33.0

require (
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/tools v0.52.0 // indirect; the version avo asks for does not build with Go 1.26
)
