package experiment

func (r *training) initialise() error { return nil }
