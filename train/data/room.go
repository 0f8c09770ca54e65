package data

// Room is how a data set is kept and shown while it is loaded: what all loaders have
// in common. The zero Room keeps nothing, limits nothing and says nothing.
type Room struct {
	// Cache is the directory of the compact files; "" means that nothing is kept.
	Cache string
	// Limit is the most examples of each split, the first ones; 0 means all. What
	// is cached does not depend on it.
	Limit int
	// Warn gets what does not keep the data from being there, such as a damaged
	// cache that is made anew; nil drops it.
	Warn func(err error)
	// Progress is called now and then, and in the end, by whatever takes longer
	// than two seconds: what is done, how much of it, and of how much; total 0
	// means that this is unknown. It is not called by two goroutines at once; nil
	// is silent.
	Progress func(what string, done, total int64)
}

// Keep returns the cache of data in the room, as Cache documents its fields.
func (r Room) Keep(name, tag string, key any) Cache {
	return Cache{Dir: r.Cache, Name: name, Tag: tag, Key: key, Warn: r.Warn}
}

// Limited returns how many of n examples the room lets in.
func (r Room) Limited(n int) int {
	if r.Limit > 0 {
		return min(n, r.Limit)
	}
	return n
}
