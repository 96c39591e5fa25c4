package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
)

// patience is how long a script waits for something to become true.
const patience = 30 * time.Second

// TestLive runs scripts against an embedded Kafka and Redis, one pair each.
func TestLive(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/live",
		Setup: startLive,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"retry":  retry,
			"card":   findCard,
			"expire": expireAll,
			"term":   tell(syscall.SIGTERM),
			"hangup": tell(syscall.SIGHUP),
			"redis":  breakRedis,

			"exitcode": exitCode,
		},
	})
}

type redisKey struct{}

func startLive(env *testscript.Env) error {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(env.Getenv("TMPDIR")))
	if err != nil {
		return err
	}
	env.Defer(cluster.Close)
	redis, err := miniredis.Run()
	if err != nil {
		return err
	}
	env.Defer(redis.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = free.Close() }()
	root, err := os.Getwd()
	env.Values[redisKey{}] = redis
	env.Setenv("EXAMPLES", root+"/../../examples")
	env.Setenv("LISTEN", free.Addr().String())
	env.Setenv("FRESHET_KAFKA_BROKERS", strings.Join(cluster.ListenAddrs(), ","))
	env.Setenv("FRESHET_ONLINE_STORE", "redis://"+redis.Addr())
	return err
}

// retry runs a command until it exits with 0 and prints what a pattern matches:
// retry PATTERN command...
func retry(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(patience)
	want := regexp.MustCompile(args[0])
	for args = args[1:]; ; {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: still not, after %s: %v", strings.Join(args, " "), patience, err)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// findCard puts a card of the generated payments into CARD.
func findCard(ts *testscript.TestScript, neg bool, args []string) {
	found := regexp.MustCompile(`"card_id":"([^"]+)"`).FindStringSubmatch(ts.ReadFile(args[0]))
	if found == nil {
		ts.Fatalf("no card in %s", args[0])
	}
	ts.Setenv("CARD", found[1])
}

// expireAll lets ten seconds pass in Redis.
func expireAll(ts *testscript.TestScript, neg bool, args []string) {
	ts.Value(redisKey{}).(*miniredis.Miniredis).FastForward(10 * time.Second)
}

// breakRedis takes the online store away, with what it has, or brings it back: redis
// away|back.
func breakRedis(ts *testscript.TestScript, neg bool, args []string) {
	server := ts.Value(redisKey{}).(*miniredis.Miniredis)
	if args[0] == "away" {
		server.Close()
		return
	}
	ts.Check(server.Restart())
}

// tell makes the command that sends a signal to what runs in the background.
func tell(signal os.Signal) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		for _, cmd := range ts.BackgroundCmds() {
			ts.Check(cmd.Process.Signal(signal))
		}
	}
}

// exitCode runs a command that must exit with a code: exitcode 5 command...
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || fmt.Sprint(exit.ExitCode()) != args[0] {
		ts.Fatalf("%s: %v, want exit code %s", strings.Join(args[1:], " "), err, args[0])
	}
}

// The demo shows lines that move, and counts everything that was sent.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for seconds")
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	// testscript's commands are this binary under another name.
	folder := t.TempDir()
	if err := os.Symlink(binary, folder+"/freshet"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(folder+"/freshet", "demo", "--duration", "3s", "--rate", "200")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s in all", time.Since(began))
	text := string(out)
	for _, want := range []string{"freshet demo  everything runs in this process", "ALLOW", "Summary", "$ redis-cli HGETALL 'freshet:quickstart:{card:h_",
		"txn_count_1m", "freshet test examples/quickstart"} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo shows no %q", want)
		}
	}
	counts := regexp.MustCompile(`events +(\d[\d,]*) in, (\d[\d,]*) scored\n +refused +(.*)`).FindStringSubmatch(text)
	if counts == nil {
		t.Fatalf("no counts in\n%s", text)
	}
	number := func(text string) (n int) {
		_, _ = fmt.Sscan(strings.ReplaceAll(text, ",", ""), &n)
		return n
	}
	sum := number(counts[2])
	for _, word := range regexp.MustCompile(`\d+`).FindAllString(counts[3], -1) {
		sum += number(word)
	}
	if sum != number(counts[1]) || sum < 300 {
		t.Errorf("%s: not every event is accounted for", counts[0])
	}
	left, err := os.ReadDir(cmd.Env[len(cmd.Env)-1][len("TMPDIR="):])
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
}

// A burst has tests of many cards with tiny amounts, and then one that is used.
func TestDemoBurst(t *testing.T) {
	burst, err := makeBurst(1, time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC))
	if err != nil || len(burst) != burstLength {
		t.Fatal(len(burst), err)
	}
	cards := make(map[any]bool)
	for _, payment := range burst[:burstCards] {
		cards[payment["card_id"]] = true
		if amount, ok := payment["amount"].(float64); !ok || amount >= 2 {
			t.Errorf("a test of %v", payment["amount"])
		}
		if payment["device_id"] != burst[0]["device_id"] {
			t.Error("another device")
		}
	}
	if len(cards) < burstCards/2 {
		t.Errorf("only %d cards", len(cards))
	}
	for _, payment := range burst[burstCards:] {
		if payment["card_id"] != burst[burstCards-1]["card_id"] {
			t.Error("another card than the one that worked")
		}
	}
}
