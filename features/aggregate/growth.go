package aggregate

import (
	"math/bits"
	"slices"
)

// Over is a kind of window.
type Over string

// The kinds of window, as the reference page calls them.
const (
	Sliding          Over = "windows"
	Delayed          Over = "windows with a delay"
	LastN            Over = "last"
	LastNDelayed     Over = "last with a delay"
	Session          Over = "session"
	Lifetime         Over = "lifetime"
	LifetimeDelayed  Over = "lifetime with a delay"
	HalfLives        Over = "half-lives"
	HalfLivesDelayed Over = "half-lives with a delay"
	By               Over = "by over windows"
	ByDelayed        Over = "by over windows with a delay"
	ByLast           Over = "by over last"
	BySession        Over = "by over a session"
	ByLifetime       Over = "by over a lifetime"
	ByHalfLives      Over = "by over half-lives"
)

// Data is what the events of a window are like, or how they are asked for.
type Data string

// The kinds of data.
const (
	Usual     Data = "usual"            // each value occurs often
	Excluding Data = "exclude_current"  // the same without the current event
	Rare      Data = "rare"             // the filter lets few events in
	Unlike    Data = "unlike"           // no value occurs twice
	Various   Data = "many categories"  // as many as a quarter of the events of the longest window
	Apart     Data = "categories apart" // no two events are of one category
	Changing  Data = "changing"         // values unlike, and with every event another category comes among those with the most
	Reversed  Data = "taken back"       // one event in ten takes back another one of the window
)

// When is how an event comes.
type When string

// An event comes behind all others of its entity, or a few places late.
const (
	InOrder When = "in order"
	Late    When = "late"
)

// Growth is a case in which an event looks at more, the more events there are.
// Everything else is flat, or grows by the steps of a tree: features/growth_test.go
// counts, over all aggregations and kinds of windows.
type Growth struct {
	Over []Over
	Of   []string // aggregations; none: all
	Data []Data   // none: all
	When []When   // none: both
	What string   // that is looked at
}

// Case is one aggregation over one kind of window.
type Case struct {
	Name string
	Over Over
	Data Data
	When When
}

// Grows is what an event looks at in a case that grows; else "".
func (c Case) Grows() string {
	for i := range Growths {
		if g := &Growths[i]; slices.Contains(g.Over, c.Over) && among(g.Of, c.Name) && among(g.Data, c.Data) && among(g.When, c.When) {
			return g.What
		}
	}
	return ""
}

func among[T comparable](list []T, x T) bool { return len(list) == 0 || slices.Contains(list, x) }

// MostSteps is how many rows, values, nodes and tiles one event looks at at most for
// one window of a feature, whatever the key and whatever came before, when the log of an
// entity holds budget events: of a source with `retracts` as often again for each event
// that it takes back, or that one behind it takes back. Mostly it is
// what leaves behind a long silence, and what is read anew for a late event. With
// `by`, each of the top values and the others are read one by one, and where no two
// events are of one category each event is in a node of every size; top is 0
// without.
func MostSteps(budget, top int) int {
	passes := 3
	if top > 0 {
		passes += 2*(top+1) + bits.Len(uint(budget))/2
	}
	return passes * (budget + tiles)
}

// tiles is a bit more than what a window past the budget has of them.
const tiles = 64

const changes = "the different values of a category that comes among those with the most events, or leaves them"

// Growths are the cases that grow, up to MostSteps.
var Growths = [...]Growth{
	{
		Over: []Over{By, ByDelayed},
		Of:   []string{"interarrival_stddev", "interarrival_cv"},
		Data: []Data{Apart, Changing},
		What: "all events, once, when the categories with the most events are none of the four sets of them that were shown last",
	}, {
		Over: []Over{BySession, ByLifetime},
		Of:   []string{"mode"},
		Data: []Data{Unlike},
		When: []When{Late},
		What: changes,
	}, {
		Over: []Over{By, ByDelayed, BySession, ByLifetime},
		Of:   []string{"top_share", "entropy", "mode"},
		Data: []Data{Changing},
		What: changes + " (count_distinct, approx_count_distinct, is_new and novelty do so with a top of more than 8)",
	},
}
