package expr

import (
	"testing"
	"time"
)

// A time is shown as package time shows it, to the millisecond before and at each
// change of the zone, listed or not.
func TestS31ZonesShowWhatPackageTimeShows(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "UTC"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		at := shownIn(zone)
		for moment, n := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), 0; moment.Year() < 2110; moment, n = moment.Add(23*time.Hour), n+1 {
			_, end := moment.In(zone).ZoneBounds()
			for _, x := range [...]time.Time{moment, end.UTC().Add(-time.Millisecond), end.UTC(), end.UTC().Add(time.Millisecond)} {
				if got, want := at(x).Format(time.DateTime), x.In(zone).Format(time.DateTime); got != want {
					t.Fatalf("%s: %v is shown as %s, want %s", name, x, got, want)
				}
				if n%30 > 0 { // changes are far apart
					break
				}
			}
		}
	}
}
