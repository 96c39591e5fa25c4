package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/examples"
	"github.com/freshet-dev/freshet/pipeline"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// The demo's secret is known to everyone: it protects nothing but shows what a
// token looks like.
const demoSecret = "the demo's secret is no secret"

const (
	demoPartitions = 4
	demoBurstAfter = 10 * time.Second
	demoDrain      = 10 * time.Second
)

type demoFlags struct {
	duration time.Duration
	rate     float64
	seed     uint64
	listen   string
}

func (a *app) demoCommand() *cobra.Command {
	var flags demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: Kafka, Redis, traffic and engine in one process",
		Long: `  freshet demo
  freshet demo --duration 2m --rate 500
  freshet demo --duration 0 --listen 127.0.0.1:9464     until Ctrl-C, with metrics to look at

Starts an embedded Kafka (kfake), an embedded Redis (miniredis), a generator of payments and user
activity, and a pipeline with the spec of examples/quickstart. Shows the scored events and the features
that change; a card-testing burst begins after 10 s. Installs nothing and leaves nothing behind.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), flags) },
	}
	f := cmd.Flags()
	f.DurationVar(&flags.duration, "duration", 30*time.Second, "how long to run; 0: until Ctrl-C")
	f.Float64Var(&flags.rate, "rate", 150, "events per second")
	f.Uint64Var(&flags.seed, "seed", 1, "seed of the generated traffic")
	f.StringVar(&flags.listen, "listen", "none", "HOST:PORT for metrics and health")
	return cmd
}

// demo runs until its time is over, or the first signal.
func (a *app) demo(parent context.Context, flags demoFlags) (err error) {
	if flags.rate <= 0 || flags.rate > 20_000 || flags.duration < 0 {
		return usage("--rate is above 0 and at most 20000, --duration is not negative")
	}
	ctx, stop := context.WithCancel(parent)
	defer stop()
	d, err := a.newDemo(ctx, flags)
	if err != nil {
		return err
	}
	defer d.close()
	d.screen.header(d, flags)
	if err := d.run(ctx, flags); err != nil {
		return err
	}
	return d.screen.summary(d)
}

// demo is the servers, the pipeline, and what is seen of them.
type demo struct {
	plant    *plant
	dir      string
	cluster  *kfake.Cluster
	redis    *miniredis.Miniredis
	registry *prometheus.Registry
	listener *listener
	runner   *pipeline.Runner
	screen   *demoScreen
	traffic  *demoTraffic
}

func (a *app) newDemo(ctx context.Context, flags demoFlags) (d *demo, err error) {
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: examples.QuickstartName, Data: examples.Quickstart}})
	if err != nil || diags.HasErrors() {
		return nil, errors.Join(err, diags) // a bug: the quickstart is tested
	}
	d = &demo{registry: prometheus.NewRegistry()}
	d.registry.MustRegister(buildMetric())
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if err := d.startServers(specs[0]); err != nil {
		return d, err
	}
	settings := config.Defaults()
	settings.Kafka.Brokers = d.cluster.ListenAddrs()
	settings.OnlineStore = "redis://" + d.redis.Addr()
	settings.EntityKeySecret = config.FixedSecret(demoSecret)
	settings.Listen = flags.listen
	settings.Log.Level = "error"
	if d.plant, err = a.newPlant(specs[0], settings, runFlags{}); err != nil {
		return d, err
	}
	if settings.Listening() {
		if d.listener, err = listen(settings.Listen, d.plant.pages(d.registry), d.plant.log); err != nil {
			return d, err
		}
	}
	if d.runner, err = d.plant.build(ctx, d.registry); err != nil {
		return d, err
	}
	d.screen = newDemoScreen(a, specs[0])
	d.traffic, err = newDemoTraffic(ctx, d.plant, flags)
	return d, err
}

// startServers starts the embedded Kafka and Redis on free loopback ports.
// Kafka keeps its log in a temporary folder: in memory each batch would stay
// on the heap.
func (d *demo) startServers(s *spec.Spec) (err error) {
	if d.dir, err = os.MkdirTemp("", "freshet-demo-"); err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	var topics []string
	for _, source := range s.Sources {
		topics = append(topics, source.Topic)
	}
	d.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(d.dir), kfake.SeedTopics(demoPartitions, topics...))
	if err != nil {
		return fmt.Errorf("start the embedded Kafka: %w", err)
	}
	d.redis = miniredis.NewMiniRedis()
	if err := d.redis.StartAddr("127.0.0.1:0"); err != nil {
		return fmt.Errorf("start the embedded Redis: %w", err)
	}
	return nil
}

// run lets the traffic flow and shows what comes out, until the time is over.
// Then the traffic ends first and the pipeline drains, so that what was sent
// was also scored.
func (d *demo) run(ctx context.Context, flags demoFlags) error {
	running, stopRunning := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRunning()
	showing := ctx
	if flags.duration > 0 {
		var cancel context.CancelFunc
		showing, cancel = context.WithTimeout(ctx, flags.duration)
		defer cancel()
	}
	pipelineDone := make(chan error, 1)
	go func() { pipelineDone <- d.runner.Run(running) }()
	work, workCtx := errgroup.WithContext(running)
	following, stopFollowing := context.WithCancel(workCtx)
	defer stopFollowing()
	work.Go(func() error { return d.expire(following) })
	work.Go(func() error { return d.screen.follow(following, d) })
	work.Go(func() error {
		defer stopFollowing()
		if err := d.traffic.flow(workCtx, showing.Done()); err != nil {
			return err
		}
		return d.catchUp(workCtx)
	})
	work.Go(func() error {
		select {
		case err := <-pipelineDone:
			pipelineDone <- nil
			return errors.Join(errors.New("the pipeline has ended"), err)
		case <-following.Done():
			return nil
		}
	})
	err := work.Wait()
	stopRunning()
	select {
	case ended := <-pipelineDone:
		err = errors.Join(err, ended)
	case <-time.After(demoDrain):
		err = errors.Join(err, errors.New("the pipeline did not drain"))
	}
	d.runner = nil // it has closed its connectors
	return d.plant.judge(err)
}

// expire lets Redis keys grow old, each second. miniredis can do so by itself
// (ClockTTL), but then sorts all its keys at every command, which at some
// thousand rows takes a whole core.
func (d *demo) expire(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			d.redis.FastForward(now.Sub(last))
			last = now
		}
	}
}

// catchUp waits until everything that was sent was scored or refused.
func (d *demo) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoDrain)
	defer cancel()
	tick := time.NewTicker(demoPoll)
	defer tick.Stop()
	for {
		gathered, err := d.registry.Gather()
		if err != nil {
			return fmt.Errorf("read the demo's own metrics: %w", err)
		}
		var refused float64
		c := countsOf(gathered)
		for _, n := range c.refused {
			refused += n
		}
		if float64(d.screen.seen())+refused >= float64(d.traffic.sent.Load()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// close ends the servers and removes what they wrote.
func (d *demo) close() {
	if d.traffic != nil {
		d.traffic.close()
	}
	if d.listener != nil {
		d.listener.stop()
	}
	if d.cluster != nil {
		d.cluster.Close()
	}
	if d.redis != nil {
		d.redis.Close()
	}
	if strings.Contains(d.dir, "freshet-demo-") {
		_ = os.RemoveAll(d.dir)
	}
}

// openScored reads the output topics from their start.
func (d *demo) openScored(ctx context.Context) (*kgo.Client, error) {
	var topics []string
	for _, source := range d.plant.spec.Sources {
		topics = append(topics, source.Output.Topic)
	}
	return kafkaclient.Connect(ctx, d.plant.kafka, kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(demoPoll))
}
