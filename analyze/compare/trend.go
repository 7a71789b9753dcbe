package compare

// Trend is how the live heap of one side grew from profile to profile.
type Trend struct{}

func trends(side string, s *Side) []Trend { return nil }
