package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

func TestAFullDiskIsNoUnreachableServer(t *testing.T) {
	for err, code := range map[error]int{
		&os.PathError{Op: "write", Path: "/dev/full", Err: syscall.ENOSPC}:                   exitFailed,
		&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}:                      exitUnreachable,
		fmt.Errorf("read the sources: kafka at b:9092 %w since", kafkaclient.ErrUnreachable): exitUnreachable,
	} {
		if p := problemOf(fmt.Errorf("append: %w", err)); p.code != code {
			t.Errorf("%v: exit %d, want %d", err, p.code, code)
		}
	}
}

// Whoever is refused by a store must not be told to start it.
func TestStoreProblemsSayWhatToDo(t *testing.T) {
	const away = "start it"
	for _, c := range []struct {
		err  error
		code int
		next string
	}{
		{&sinks.Fatal{Err: errors.New("WRONGPASS invalid username-password pair"), Unauthorised: true}, exitForbidden, "config view"},
		{&sinks.Fatal{Err: errors.New("WRONGTYPE")}, exitFailed, "redis.password"},
		{fmt.Errorf("ping: %w", context.DeadlineExceeded), exitUnreachable, "rediss://"},
		{errors.New("connection refused"), exitUnreachable, away},
	} {
		p := problemOf(storeProblem(c.err, away))
		if p.code != c.code || !strings.Contains(p.next, c.next) {
			t.Errorf("%v: exit %d, next %q; want %d, %q", c.err, p.code, p.next, c.code, c.next)
		}
	}
}

// A start that is told to stop has nothing in hand: it is done, and no server
// is to blame.
func TestAStartThatIsToldToStopIsDone(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // a Redis that takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	t.Setenv("FRESHET_ENTITY_KEY_SECRET", "a secret of tests, long enough")
	t.Setenv("FRESHET_LISTEN", "none")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		conn, err := silent.Accept()
		if err == nil {
			cancel()
			_, _ = io.Copy(io.Discard, conn) // until it is closed there
			_ = conn.Close()
		}
	}()
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, errs: &errs}
	root := a.rootCommand()
	root.SetArgs([]string{"run", "../../examples/quickstart", "--online-store", "redis://" + silent.Addr().String()})
	cmd, err := root.ExecuteContextC(ctx)
	if code := a.report(cmd, err); code != exitDone || strings.Contains(errs.String(), "error:") {
		t.Errorf("exit %d, and it says\n%s", code, &errs)
	}
}

// Who is refused must not be told that nothing answers, nor that it failed.
func TestRefusedCredentialsAndRightsAreExit4(t *testing.T) {
	for _, err := range []error{kerr.SaslAuthenticationFailed, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.TransactionalIDAuthorizationFailed, kafkago.SASLAuthenticationFailed, kafkago.TopicAuthorizationFailed,
		&sinks.Fatal{Err: errors.New("NOPERM"), Unauthorised: true}} {
		if p := problemOf(fmt.Errorf("read: %w", err)); p.code != exitForbidden {
			t.Errorf("%v: exit %d", err, p.code)
		}
	}
	if testing.Short() {
		t.Skip("starts servers")
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "freshet", "right"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	store := miniredis.RunT(t)
	store.RequireUserAuth("freshet", "right")
	t.Setenv("FRESHET_ENTITY_KEY_SECRET", "a secret of tests, long enough")
	t.Setenv("FRESHET_KAFKA_BROKERS", strings.Join(cluster.ListenAddrs(), ","))
	t.Setenv("FRESHET_KAFKA_SASL_MECHANISM", "plain")
	t.Setenv("FRESHET_KAFKA_SASL_USERNAME", "freshet")
	t.Setenv("FRESHET_KAFKA_SASL_PASSWORD", "wrong")
	t.Setenv("FRESHET_LISTEN", "none")
	const specs = "../../examples/quickstart"
	ours := "redis://freshet:wrong@" + store.Addr()
	for _, args := range [][]string{
		{"run", specs, "--online-store", "none"}, {"tail", "--no-follow", "--specs", specs}, {"dlq", "ls", "--specs", specs},
		{"generate", "--count", "1"},
		{"run", specs, "--online-store", ours}, {"get", "card=c1", "--specs", specs, "--online-store", ours},
	} {
		var out, errs bytes.Buffer
		if code := execute(args, strings.NewReader(""), &out, &errs); code != exitForbidden || !strings.Contains(errs.String(), "config view") {
			t.Errorf("%s: exit %d\n%s", strings.Join(args, " "), code, &errs)
		}
	}
}
