package layers_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/layers"
)

// wantEveryKind fails unless every kind of mixer of the package is in a list of
// configurations or of layers.
func wantEveryKind[T any](t *testing.T, list string, all ...T) {
	t.Helper()
	there := map[string]bool{}
	for _, v := range all {
		typ := reflect.TypeOf(v)
		for typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		there[strings.TrimSuffix(typ.Name(), "Config")] = true
	}
	for _, kind := range layers.MixerKinds() {
		var b layers.BlockConfig
		if err := json.Unmarshal(fmt.Appendf(nil, `{"mixer": {"kind": %q}}`, kind), &b); err != nil {
			t.Fatal(err)
		}
		typ := reflect.TypeOf(b.Mixer)
		own := typ.PkgPath() == reflect.TypeFor[layers.S4Config]().PkgPath()
		if name := strings.TrimSuffix(typ.Name(), "Config"); own && !there[name] {
			t.Errorf("%s: want every kind of mixer in the list, %q (%s) is missing", list, kind, name)
		}
	}
}
