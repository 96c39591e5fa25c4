package expr

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/freshet-dev/freshet/features/event"
)

// Times and durations are those of package time, as in cel-go: values with a
// zone and nanoseconds, which cost no allocation.
type (
	duration = time.Duration
	moment   func(*Env) (time.Time, bool)
	span     func(*Env) (time.Duration, bool)
)

// The range of CEL's timestamps, in seconds: the years 1 to 9999.
const (
	minSeconds int64 = -62135596800
	maxSeconds int64 = 253402300799
)

func compareTimes(x, y time.Time) int { return x.Compare(y) }

// moment compiles an expression of type timestamp.
func (c *compiler) moment(e ast.Expr) moment {
	switch e.Kind() {
	case ast.IdentKind:
		s := c.slot(e)
		return func(env *Env) (time.Time, bool) {
			v := env.at(s)
			return time.UnixMilli(v.Int()).UTC(), v.Kind() == event.Timestamp
		}
	case ast.CallKind:
		call := e.AsCall()
		args := operands(call)
		switch call.FunctionName() {
		case operators.Conditional:
			return either(c.truth(args[0]), c.moment(args[1]), c.moment(args[2]))
		case "timestamp":
			if s, ok := literalText(args, 0); ok {
				if t, err := time.Parse(time.RFC3339, s); err == nil {
					t = t.UTC()
					return func(*Env) (time.Time, bool) { return t, true }
				}
			}
		case operators.Add:
			if c.isMoment(args[0]) {
				return moved(c.moment(args[0]), c.span(args[1]))
			}
			return moved(c.moment(args[1]), c.span(args[0]))
		case operators.Subtract:
			d := c.span(args[1])
			return moved(c.moment(args[0]), func(env *Env) (time.Duration, bool) {
				x, ok := d(env)
				return -x, ok && x != math.MinInt64
			})
		}
	}
	c.fail(e, "timestamp")
	return nil
}

func (c *compiler) isMoment(e ast.Expr) bool {
	return c.typeOf(e).TypeName() == "google.protobuf.Timestamp"
}

// moved is t + d, an error outside the range of timestamps.
func moved(t moment, d span) moment {
	return func(env *Env) (time.Time, bool) {
		x, okx := t(env)
		y, oky := d(env)
		sum := x.Add(y)
		s := sum.Unix()
		return sum, okx && oky && s >= minSeconds && s <= maxSeconds
	}
}

// span compiles an expression of type duration.
func (c *compiler) span(e ast.Expr) span {
	if e.Kind() == ast.CallKind {
		call := e.AsCall()
		args := operands(call)
		switch call.FunctionName() {
		case operators.Conditional:
			return either(c.truth(args[0]), c.span(args[1]), c.span(args[2]))
		case "duration":
			if s, ok := literalText(args, 0); ok {
				if d, err := time.ParseDuration(s); err == nil {
					return func(*Env) (time.Duration, bool) { return d, true }
				}
			}
		case operators.Add:
			a, b := c.span(args[0]), c.span(args[1])
			return func(env *Env) (time.Duration, bool) {
				x, okx := a(env)
				y, oky := b(env)
				sum := x + y
				return sum, okx && oky && (sum > x) == (y > 0)
			}
		case operators.Subtract:
			if c.isMoment(args[0]) {
				return between(c.moment(args[0]), c.moment(args[1]))
			}
			a, b := c.span(args[0]), c.span(args[1])
			return func(env *Env) (time.Duration, bool) {
				x, okx := a(env)
				y, oky := b(env)
				diff := x - y
				return diff, okx && oky && (diff < x) == (y > 0)
			}
		}
	}
	c.fail(e, "duration")
	return nil
}

// between is a - b, an error where nanoseconds cannot count it.
func between(a, b moment) span {
	return func(env *Env) (time.Duration, bool) {
		x, okx := a(env)
		y, oky := b(env)
		seconds := x.Unix() - y.Unix()
		const most = math.MaxInt64 / int64(time.Second)
		if !okx || !oky || seconds > most || seconds < -most {
			return 0, false
		}
		whole := time.Duration(seconds) * time.Second
		part := time.Duration(x.Nanosecond() - y.Nanosecond())
		sum := whole + part
		return sum, (sum > whole) == (part > 0)
	}
}

// parts are the calendar's numbers as CEL counts them: months, days of the year
// and getDayOfMonth from 0, getDate from 1, Sunday 0.
var parts = map[string]func(time.Time) int{
	"getFullYear":     time.Time.Year,
	"getMonth":        func(t time.Time) int { return int(t.Month()) - 1 },
	"getDayOfYear":    func(t time.Time) int { return t.YearDay() - 1 },
	"getDayOfMonth":   func(t time.Time) int { return t.Day() - 1 },
	"getDate":         time.Time.Day,
	"getDayOfWeek":    func(t time.Time) int { return int(t.Weekday()) },
	"getHours":        time.Time.Hour,
	"getMinutes":      time.Time.Minute,
	"getSeconds":      time.Time.Second,
	"getMilliseconds": func(t time.Time) int { return t.Nanosecond() / int(time.Millisecond) },
}

// calendar compiles getHours and its like of a timestamp. The zone is loaded
// here, once; without one it is UTC.
func (c *compiler) calendar(e ast.Expr, name string, args []ast.Expr) number {
	part, ok := parts[name]
	if !ok {
		c.fail(e, "number")
		return nil
	}
	at := func(t time.Time) time.Time { return t }
	if len(args) > 1 {
		s, ok := literalText(args, 1)
		loc, err := location(s)
		if !ok || err != nil {
			c.fail(e, "number")
			return nil
		}
		at = shownIn(loc)
	}
	t := c.moment(args[0])
	return func(env *Env) (float64, bool) {
		x, ok := t(env)
		return float64(part(at(x))), ok
	}
}

// shownIn turns a time into one of UTC that shows what a clock in a zone shows. The
// zone's changes are looked up here: package time reads the rules of a zone anew
// for each time behind the last change that its database lists.
func shownIn(zone *time.Location) func(time.Time) time.Time {
	var changes []change
	for t := time.Unix(0, 0).In(zone); t.Year() <= lastListed; {
		_, ahead := t.Zone()
		changes = append(changes, change{t.Unix(), time.Duration(ahead) * time.Second})
		_, end := t.ZoneBounds()
		if !end.After(t) {
			break
		}
		t = end
	}
	last := len(changes) - 1
	return func(t time.Time) time.Time {
		s := t.Unix()
		if s < changes[0].from || s >= changes[last].from {
			return t.In(zone)
		}
		i := sort.Search(last, func(i int) bool { return changes[i+1].from > s })
		return t.Add(changes[i].ahead)
	}
}

// change is how far a zone is ahead of UTC from a second on.
type change struct {
	from  int64
	ahead time.Duration
}

// lastListed is the year up to which changes are looked up beforehand.
const lastListed = 2100

// location is a zone of the database, or an offset such as +02:00.
func location(s string) (*time.Location, error) {
	hours, minutes, isOffset := strings.Cut(s, ":")
	if !isOffset {
		return time.LoadLocation(s)
	}
	hours, negative := strings.CutPrefix(strings.TrimPrefix(hours, "+"), "-")
	var h, m int
	if _, err := fmt.Sscanf(hours+" "+minutes, "%d %d", &h, &m); err != nil {
		return nil, fmt.Errorf("read the zone %q: %w", s, err)
	}
	seconds := h*3600 + m*60
	if negative {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), nil
}

// lengthIn compiles getHours and its like of a duration: all of it in that
// unit, cut to whole ones.
func (c *compiler) lengthIn(e ast.Expr, name string, of ast.Expr) number {
	var unit func(time.Duration) float64
	switch name {
	case "getHours":
		unit = time.Duration.Hours
	case "getMinutes":
		unit = time.Duration.Minutes
	case "getSeconds":
		unit = time.Duration.Seconds
	case "getMilliseconds":
		unit = func(d time.Duration) float64 { return float64(d.Milliseconds()) }
	default:
		c.fail(e, "number")
		return nil
	}
	d := c.span(of)
	return func(env *Env) (float64, bool) {
		x, ok := d(env)
		return float64(int64(unit(x))), ok // an int in between, which has no -0
	}
}
