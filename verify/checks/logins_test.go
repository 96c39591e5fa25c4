package checks

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogins: six sums over 43,283 login attempts that two independent
// programs agree on (data/README.md).
func TestLogins(t *testing.T) {
	path := data(t, "logins_2018.csv.gz")
	s := newStream(t, load(t, filepath.Join("specs", "logins.freshet.yaml")), 1000)
	type tally struct{ sum, most float64 }
	var perIP, usernames, failing, failures, perUser, ips tally
	add := func(to *tally, feature string) {
		x := s.number(0, feature)
		to.sum += x
		to.most = max(to.most, x)
	}
	rows := 0
	table(t, path, func(get func(string) string) {
		success := get("success") == "True"
		s.apply(0, map[string]any{
			"datetime": strings.Replace(get("datetime"), " ", "T", 1) + "Z", "source_ip": get("source_ip"),
			"username": get("username"), "success": success,
		})
		rows++
		add(&perIP, "ip.attempts_5m")
		add(&usernames, "ip.usernames_5m")
		add(&failures, "ip.failures_5m")
		if !success {
			add(&failing, "ip.failures_5m")
		}
		add(&perUser, "user.attempts_1h")
		add(&ips, "user.ips_1h")
	})
	for _, c := range []struct {
		name string
		got  tally
		want tally
	}{
		{"count per source_ip in 5 min", perIP, tally{202_438, 248}},
		{"distinct usernames per source_ip in 5 min", usernames, tally{123_781, 135}},
		{"failures per source_ip in 5 min, over the failing events", failing, tally{129_755, 208}},
		{"failures per source_ip in 5 min, over all events", failures, tally{153_886, 208}},
		{"count per username in 1 h", perUser, tally{78_951, perUser.most}},
		{"distinct source_ips per username in 1 h", ips, tally{50_780, 9}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
		t.Logf("%s = %.0f (max %.0f)", c.name, c.got.sum, c.got.most)
	}
	if rows != 43_283 {
		t.Errorf("%d rows, want 43283", rows)
	}
	t.Attr("counted", fmt.Sprintf("%d rows, 6 sums equal; %d values of %d records equal the oracle's", rows, s.values, s.judged))
}
