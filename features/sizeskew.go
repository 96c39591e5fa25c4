package features

import "math"

// peers are entities that are about as busy as each other.
type peers struct {
	keys    float64 // that are known at once
	rate    float64 // events of one of them a second
	seconds float64 // that they have had them for
	longest float64 // that they may come to have them for, if that is longer
	met     bool    // the rate is of entities that had an event, not of all
}

// peers divides the entities of a load by how busy they are. The busiest ones, of
// which a log is long, are on their own.
func (l *logPlan) peers(load Load) []peers {
	if load.Skew == 0 {
		return []peers{{keys: load.Keys, rate: load.Rate / load.Keys, seconds: load.Seconds, longest: math.Inf(1), met: true}}
	}
	within := min(float64(l.ttl+l.lateness)/1000, load.Seconds)
	fewest, most := math.Log(load.Keys), math.Log(load.Keys)+math.Log(1e6)
	for range 60 { // so many are known at once of how many there are
		there := (fewest + most) / 2
		if keysWithin(ranks(math.Exp(there), load), within) < load.Keys {
			fewest = there
		} else {
			most = there
		}
	}
	all := ranks(math.Exp(most), load)
	for i := range all {
		// Events whose distances are all shorter go on for so long in the mean.
		k := &all[i]
		k.seconds = min(load.Seconds, math.Expm1(k.rate*within)/k.rate)
		k.keys *= -math.Expm1(-k.rate * within)
	}
	return all
}

// keysWithin is how many entities have had an event within so many seconds.
func keysWithin(all []peers, within float64) (keys float64) {
	for _, k := range all {
		keys += k.keys * -math.Expm1(-k.rate*within)
	}
	return keys
}

// ranks divides so many entities by their ranks, each rank a multiple of the one
// before it.
func ranks(there float64, load Load) (all []peers) {
	const apart = 1.5
	part := 0.0
	for rank, last := 1.0, math.Floor(there); rank <= last; {
		next := min(max(rank+1, math.Floor(rank*apart)), last+1)
		k := peers{keys: next - rank, rate: math.Pow(rank, -load.Skew)}
		if k.keys > 1 { // as an integral
			k.rate = (power(next-0.5, load.Skew) - power(rank-0.5, load.Skew)) / k.keys
		}
		all, part, rank = append(all, k), part+k.keys*k.rate, next
	}
	for i := range all {
		all[i].rate *= load.Rate / part
	}
	return all
}

// power is the integral of x^-skew.
func power(x, skew float64) float64 {
	if math.Abs(1-skew) < 1e-9 {
		return math.Log(x)
	}
	return math.Pow(x, 1-skew) / (1 - skew)
}

// busiest is the part of the events that the busiest hundredth of entities have.
func busiest(all []peers) float64 {
	keys, events := 0.0, 0.0
	for _, k := range all {
		keys, events = keys+k.keys, events+k.keys*k.rate
	}
	left, part := keys/100, 0.0
	for _, k := range all {
		n := min(left, k.keys)
		left, part = left-n, part+n*k.rate/events
	}
	return part
}
