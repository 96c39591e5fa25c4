package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerFault asks the kfake of another process to answer requests with an
// error.
type brokerFault struct {
	Key      int16  // of the requests
	Err      int16  // error code
	Count    int    // requests to answer so
	TopLevel bool   // the error of the whole answer, not of its parts
	Prefix   string // only of groups, ids and topics that the run calls so
}

// serveBroker is the kfake process: it keeps what is acknowledged over a kill,
// and takes orders by HTTP.
func serveBroker(args []string) error {
	flags := flag.NewFlagSet("broker", flag.ContinueOnError)
	port := flags.Int("port", 0, "of Kafka")
	control := flags.Int("control", 0, "of orders")
	dir := flags.String("dir", "", "of data")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(*port), kfake.DataDir(*dir), kfake.SyncWrites(),
		kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		return err
	}
	b := &orders{cluster: cluster}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fault", b.fault)
	mux.HandleFunc("POST /clear", b.clear)
	mux.HandleFunc("POST /shuffle", func(http.ResponseWriter, *http.Request) {
		cluster.RehashCoordinators()
		cluster.ShufflePartitionLeaders()
	})
	server := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", *control), Handler: mux, ReadHeaderTimeout: time.Second}
	return server.ListenAndServe()
}

// orders are what the harness may ask of its kfake.
type orders struct {
	cluster *kfake.Cluster
	mu      sync.Mutex
	armed   *kfake.FaultHandle
}

func (b *orders) fault(w http.ResponseWriter, r *http.Request) {
	var f brokerFault
	if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	known, ok := kerr.ErrorForCode(f.Err).(*kerr.Error)
	if !ok {
		http.Error(w, "no such error", http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Key(f.Key)}, Err: known, Count: f.Count, TopLevel: f.TopLevel})
}

// clear takes the faults back and says how often they struck.
func (b *orders) clear(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	hits := 0
	if b.armed != nil {
		hits = int(b.armed.Hits())
		b.armed.Remove()
		b.armed = nil
	}
	fmt.Fprint(w, hits)
}

// broker is a kfake in a process of its own.
type broker struct {
	stage         *stage
	port, control int
	dir           string
	proc          *process
}

func (s *stage) openBroker(ctx context.Context) (*broker, error) {
	dir, err := os.MkdirTemp(s.dir, "kfake")
	if err != nil {
		return nil, err
	}
	b := &broker{stage: s, dir: dir}
	if b.port, err = freePort(); err != nil {
		return nil, err
	}
	if b.control, err = freePort(); err != nil {
		return nil, err
	}
	return b, b.start(ctx)
}

func (b *broker) brokers() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// start starts it where it is not running, with what it had acknowledged.
func (b *broker) start(ctx context.Context) (err error) {
	b.proc, err = spawn(ctx, "kfake", nil, b.stage.self, "broker", "-port", fmt.Sprint(b.port), "-control", fmt.Sprint(b.control), "-dir", b.dir)
	if err != nil {
		return err
	}
	return until(ctx, 20*time.Second, "kfake answers", func() (bool, error) {
		_, err := b.order(ctx, "clear", nil)
		return err == nil, nil
	}, b.proc)
}

// order tells the process to do something and returns what it says.
func (b *broker) order(ctx context.Context, what string, body any) (string, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/%s", b.control, what), strings.NewReader(string(raw)))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text := make([]byte, 200)
	n, _ := response.Body.Read(text)
	if response.StatusCode != http.StatusOK {
		return "", errors.New(string(text[:n]))
	}
	return string(text[:n]), nil
}
