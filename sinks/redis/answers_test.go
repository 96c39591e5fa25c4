package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/freshet-dev/freshet/sinks"
)

// node is a node of a cluster that answers what a test says.
type node struct {
	listener net.Listener
	wait     sync.WaitGroup

	mu     sync.Mutex
	slots  string         // address that CLUSTER SLOTS names for all of them
	answer func() string  // to EVALSHA, "" for 0
	asked  map[string]int // commands
	open   []net.Conn
}

func newNode(t *testing.T) *node {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{listener: listener, slots: listener.Addr().String(), asked: map[string]int{}, answer: func() string { return "" }}
	n.wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n.mu.Lock()
			n.open = append(n.open, conn)
			n.asked["connect"]++
			n.mu.Unlock()
			n.wait.Go(func() { n.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		n.mu.Lock()
		for _, c := range n.open {
			c.Close()
		}
		n.mu.Unlock()
		n.wait.Wait()
	})
	return n
}

func (n *node) address() string { return n.listener.Addr().String() }

// serve reads arrays of bulk strings and answers each.
func (n *node) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	length := func(sign byte) (int, bool) {
		line, err := in.ReadString('\n')
		if err != nil || line[0] != sign {
			return 0, false
		}
		count, err := strconv.Atoi(strings.TrimSpace(line[1:]))
		return count, err == nil
	}
	for {
		count, ok := length('*')
		if !ok {
			return
		}
		args := make([]string, count)
		for i := range args {
			size, ok := length('$')
			text := make([]byte, size+2)
			if _, err := io.ReadFull(in, text); !ok || err != nil {
				return
			}
			args[i] = string(text[:size])
		}
		if _, err := io.WriteString(conn, n.reply(args)); err != nil {
			return
		}
	}
}

func (n *node) reply(args []string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.ToLower(args[0])
	n.asked[name]++
	switch name {
	case "cluster":
		host, port, _ := net.SplitHostPort(n.slots)
		return fmt.Sprintf("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$%d\r\n%s\r\n:%s\r\n", len(host), host, port)
	case "evalsha":
		if text := n.answer(); text != "" {
			return "-" + text + "\r\n"
		}
		return ":0\r\n"
	case "hello":
		return "-ERR unknown command 'HELLO'\r\n"
	}
	return "+OK\r\n"
}

func (n *node) count(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[name]
}

// says lets the node answer a text to the first times calls, all if 0.
func (n *node) says(text string, times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	calls := 0
	n.answer = func() string {
		if calls++; times > 0 && calls > times {
			return ""
		}
		return text
	}
}

func (n *node) store(t *testing.T) *Store {
	t.Helper()
	o := options("redis://" + n.address())
	o.Cluster = true
	return openStore(t, o)
}

// Reliability row 34: what heals by waiting may pass, what does not is fatal.
func TestEveryAnswerOfAClusterIsClassified(t *testing.T) {
	ctx := context.Background()
	hints := map[string]string{"READONLY": "must lead to the master", "OOM": "give it more", "NOPERM": "ACL", "NOAUTH": "password", "WRONGTYPE": "another program"}
	for text, want := range map[string]string{
		"CLUSTERDOWN The cluster is down":                                                              "passes",
		"TRYAGAIN Multiple keys request during rehashing of slot":                                      "passes",
		"LOADING Redis is loading the dataset in memory":                                               "passes",
		"READONLY You can't write against a read only replica.":                                        "passes",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":             "passes",
		"OOM command not allowed when used memory > 'maxmemory'.":                                      "passes",
		"ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed when used x": "passes",
		"MISCONF Redis is configured to save RDB snapshots":                                            "passes",
		"NOREPLICAS Not enough good replicas to write.":                                                "passes",
		"BUSY Redis is busy running a script.":                                                         "passes",
		"NOSCRIPT No matching script. Please use EVAL.":                                                "passes",
		"MOVED 7 127.0.0.1:1":                                                                   "passes",
		"NOAUTH Authentication required.":                                                       "unauthorised",
		"WRONGPASS invalid username-password pair or user is disabled.":                         "unauthorised",
		"NOPERM this user has no permissions to run the 'evalsha' command":                      "unauthorised",
		"WRONGTYPE Operation against a key holding the wrong kind of value":                     "fatal",
		"ERR _v of the row is no version: was it written by another program?":                   "fatal",
		"ERR Error running script (call to f_1): @user_script:1: WRONGTYPE Operation against x": "fatal",
	} {
		t.Run(strings.Fields(text)[0], func(t *testing.T) {
			n := newNode(t)
			n.says(text, 0)
			err := n.store(t).Write(ctx, cardRows(3, 1))
			var fatal *sinks.Fatal
			got := "passes"
			if errors.As(err, &fatal) {
				got = "fatal"
				if fatal.Unauthorised {
					got = "unauthorised"
				}
			}
			if err == nil || got != want || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v is %s, want %s", text, err, got, want)
			}
			if hint := hints[strings.Fields(text)[0]]; err != nil && !strings.Contains(err.Error(), hint) {
				t.Errorf("%v does not say %q", err, hint)
			}
		})
	}
}

// Scripts that a node does not know (it was restarted, or is a new master) are
// loaded once; a second refusal is the caller's.
func TestScriptsAreLoadedOnce(t *testing.T) {
	ctx := context.Background()
	n := newNode(t)
	s := n.store(t)
	n.says("NOSCRIPT No matching script. Please use EVAL.", 3)
	if err := s.Write(ctx, cardRows(3, 1)); err != nil || n.count("script") != 2 {
		t.Errorf("%v after %d loads, want both scripts loaded once", err, n.count("script"))
	}
	n.says("NOSCRIPT No matching script. Please use EVAL.", 0)
	wantPassing(t, "a node that never knows them", s.Write(ctx, cardRows(3, 1)))
	if n.count("script") != 4 {
		t.Errorf("%d loads, want one of both for each write", n.count("script"))
	}
}

// A row that has moved is sent where the cluster says, after it was asked anew;
// one that is moving goes where it is pointed to, with ASKING.
func TestRowsFollowTheirSlots(t *testing.T) {
	ctx := context.Background()
	n, other := newNode(t), newNode(t)
	s := n.store(t)
	if err := s.Write(ctx, cardRows(3, 1)); err != nil {
		t.Fatal(err)
	}
	n.says("ASK 7 "+other.address(), 0)
	if err := s.Write(ctx, cardRows(3, 2)); err != nil || other.count("evalsha") != 3 || other.count("asking") != 3 {
		t.Errorf("asking: %v, %d rows, %d times ASKING", err, other.count("evalsha"), other.count("asking"))
	}
	n.says("MOVED 7 "+other.address(), 0)
	n.mu.Lock()
	n.slots = other.address()
	n.mu.Unlock()
	if err := s.Write(ctx, cardRows(3, 3)); err != nil || other.count("evalsha") != 6 {
		t.Errorf("moved: %v, %d rows", err, other.count("evalsha"))
	}
}

// A server that is no master any more is left: the address may lead elsewhere.
func TestAReplicasConnectionIsLeft(t *testing.T) {
	ctx := context.Background()
	n := newNode(t)
	s := n.store(t)
	if err := s.Write(ctx, cardRows(3, 1)); err != nil {
		t.Fatal(err)
	}
	n.says("READONLY You can't write against a read only replica.", 3)
	wantPassing(t, "a replica", s.Write(ctx, cardRows(3, 2)))
	if len(s.cluster.conns) != 0 {
		t.Error("the connection to a replica is kept")
	}
	if err := s.Write(ctx, cardRows(3, 3)); err != nil {
		t.Errorf("the next write: %v", err)
	}
}
