package config

// validateRooms lets every room check its own section.
func (c *Config) validateRooms() []error { return nil }

func (c *Config) maskRooms() {}
