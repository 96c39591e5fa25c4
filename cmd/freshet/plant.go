package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	runtimepprof "runtime/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/pipeline"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/file"
	sinkkafka "github.com/freshet-dev/freshet/sinks/kafka"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sinks/redis"
	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/sources/tables"
)

// waitForStore is for runs over files, which nobody waits for: they do not go on
// without the store.
const waitForStore = 24 * time.Hour

// leaveTimeout bounds the leave of a group after a start that has failed.
const leaveTimeout = 2 * time.Second

// startTimeout bounds the first exchange with each server.
const startTimeout = 15 * time.Second

// plant is one run: the spec, what it is connected to, and the pipeline
// between them.
type plant struct {
	app      *app
	spec     *spec.Spec
	settings *config.Settings
	flags    runFlags
	inputs   []input // empty: the spec's own sources

	kafka   kafkaclient.Config
	tokens  *mask.Tokens
	plan    *features.Plan
	tables  []*event.Table // of the spec, by its Tables
	log     *slog.Logger
	health  *pipeline.Health
	session *sinkkafka.Session // shared by source and outputs; nil: at least once
	memory  int64              // what the process may take in bytes; 0: any amount
}

// newPlant checks everything that can be checked without a server.
func (a *app) newPlant(s *spec.Spec, settings *config.Settings, flags runFlags) (*plant, error) {
	p := &plant{app: a, spec: s, settings: settings, flags: flags, log: a.newLog(settings.Log), health: pipeline.NewHealth()}
	var err error
	if p.inputs, err = parseInputs(s, flags.inputs); err != nil {
		return nil, err
	}
	if err := flags.checkOutputs(p.inputs); err != nil {
		return nil, err
	}
	if err := refuse("run", unavailable(s, p.fromFiles())); err != nil {
		return nil, err
	}
	p.lendSecret()
	if p.tokens, err = tokensFor(s, settings.EntityKeySecret); err != nil {
		return nil, err
	}
	if p.kafka, err = kafkaClient(settings.Kafka); err != nil {
		return nil, err
	}
	if p.spec, p.tables, err = a.runningSpec(s); err != nil {
		return nil, err
	}
	if p.plan, err = features.Compile(p.spec, features.Served); err != nil {
		return nil, fmt.Errorf("compile namespace %s: %w", s.Namespace, err)
	}
	return p, nil
}

// lendSecret gives a run from files to files a secret for its own time, where
// it has none: no store outlives it whose rows would become unreachable, and
// personal keys must not leave under a secret that everybody knows.
func (p *plant) lendSecret() {
	personal := personalData(p.spec)
	if !p.fromFiles() || p.settings.OnlineStore != "none" || p.settings.EntityKeySecret.IsSet() || personal == "" {
		return
	}
	p.settings.EntityKeySecret = config.FixedSecret(rand.Text())
	fmt.Fprintf(p.app.errs, "entity_key_secret is not set, but %s personal: this run uses a random secret, so its tokens differ from those of every other run\n", personal)
}

func (p *plant) fromFiles() bool { return len(p.inputs) > 0 }

// run connects, runs until it is told to stop or the files have ended, and
// closes everything.
func (p *plant) run(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(buildMetric())
	if p.listens() {
		l, err := listen(p.settings.Listen, p.pages(registry), p.log)
		if err != nil {
			return err
		}
		defer l.stop()
		p.log.Info("metrics and health", "url", "http://"+l.address)
	}
	p.memory = p.limitMemory()
	defer collectorOf(p.memory).begin()()
	runner, err := p.build(ctx, registry)
	switch {
	case err != nil && ctx.Err() != nil: // which is why nothing could be reached any more
		p.log.Info("told to stop before anything was read")
		return nil
	case err != nil:
		return p.judge(err)
	}
	err = runner.Run(ctx)
	if p.fromFiles() {
		p.tellCounts(registry)
	}
	return p.judge(err)
}

// tellCounts ends a run over files with what became of its records.
func (p *plant) tellCounts(registry *prometheus.Registry) {
	gathered, err := registry.Gather()
	if err != nil {
		p.log.Warn("counts are not known", "err", err)
		return
	}
	c := countsOf(gathered)
	fmt.Fprintf(p.app.errs, "read %.0f, refused %s\n", c.records, counted(c.refused))
}

// pages are metrics and health.
func (p *plant) pages(registry *prometheus.Registry) http.Handler {
	return p.health.Handler(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
}

// buildMetric says which binary runs.
func buildMetric() prometheus.Collector {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "freshet_build_info", Help: "1 for the binary that runs."}, []string{"version", "commit"})
	info := build()
	gauge.WithLabelValues(info.Version, info.Commit).Set(1)
	return gauge
}

// listens reports whether metrics are served: by every live run, and by a run
// over files where it was asked for, so that several can run side by side.
func (p *plant) listens() bool {
	return p.settings.Listening() && (!p.fromFiles() || p.settings.IsSet("listen"))
}

// build opens the connectors, in the order in which their errors are most
// useful, and puts the pipeline between them. On an error all are closed.
func (p *plant) build(ctx context.Context, registry prometheus.Registerer) (runner *pipeline.Runner, err error) {
	var opened []func()
	defer func() {
		if err != nil {
			for _, closing := range opened {
				closing()
			}
		}
	}()
	c := pipeline.Config{Stalled: p.stalled, Plan: p.plan, Seed: p.seed(), MaxKeys: p.settings.Engine.MaxKeys, Privacy: p.tokens, Merged: p.fromFiles(), Log: p.log,
		Metrics: registry, Health: p.health, Backend: "redis", Tables: p.tables}
	if !p.fromFiles() { // whose result is a matter of the files alone
		c.ReadTable = tables.Read
	}
	if c.Scorers, err = scorers(p.spec); err != nil {
		return nil, err
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return nil, err
	}
	if store != nil {
		c.Store = store
		opened = append(opened, func() { _ = store.Close() })
	}
	if p.fromFiles() { // first: a start that fails for an input must not empty the output of a run before
		if c.Consumer, err = p.openFiles(); err != nil {
			return nil, err
		}
		opened = append(opened, func() { p.leave(c.Consumer) })
	}
	if c.Output, c.DeadLetters, err = p.openLogs(ctx); err != nil {
		return nil, err
	}
	opened = append(opened, func() { _ = c.Output.Close() }, func() { _ = c.DeadLetters.Close() })
	if !p.fromFiles() {
		if c.Consumer, err = p.openSource(ctx); err != nil {
			return nil, err
		}
		opened = append(opened, func() { p.leave(c.Consumer) })
	}
	if c.Checkpoints, err = p.openState(ctx, &opened); err != nil {
		return nil, err
	}
	p.tellDelivery()
	if c.Limits.Memory = p.memory; p.memory > 0 {
		c.Limits.ReadAhead = min(pipeline.DefaultReadAhead, c.Limits.Memory/16)
	}
	c.Limits.StoreWait, c.Limits.WatchdogAfter = p.settings.OnlineStoreWait, p.settings.WatchdogAfter
	if p.fromFiles() {
		c.Limits.StoreWait = waitForStore
	} else {
		c.Limits.CommitInterval = p.settings.CommitInterval
		c.Group = p.group()
	}
	return pipeline.New(c)
}

// leave closes a consumer that was given nothing yet. The context of the process may
// be done, which is why; the group is left all the same.
func (p *plant) leave(c sources.Consumer) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	_ = c.Close(ctx)
}

func (p *plant) group() string {
	if p.settings.Kafka.Group != "" {
		return p.settings.Kafka.Group
	}
	return "freshet-" + p.spec.Namespace
}

// seed keys the hashes that decide values, so that nobody outside can make two
// keys collide. A checkpoint that was written without a secret has its own.
func (p *plant) seed() (seed [16]byte) {
	if text, err := p.settings.EntityKeySecret.Reveal(); err == nil {
		sum := sha256.Sum256([]byte("freshet engine seed\x00" + text))
		copy(seed[:], sum[:])
		return seed
	}
	_, _ = rand.Read(seed[:]) // never fails: it would end the process
	return seed
}

func (p *plant) openStore(ctx context.Context) (*redis.Store, error) {
	if p.settings.OnlineStore == "none" {
		return nil, nil
	}
	options, err := storeOptions(p.settings, p.spec, p.tokens)
	if err != nil {
		return nil, err
	}
	store, err := redis.Open(options)
	if err != nil {
		return nil, &problem{code: exitUsage, err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	warnings, err := store.Check(ctx)
	if err != nil && p.doesWithout(err) {
		return store, nil
	}
	if err != nil {
		_ = store.Close()
		return nil, storeProblem(err, "start Redis there, or say --online-store redis://HOST:PORT, or --online-store none")
	}
	for _, warning := range warnings {
		p.log.Warn(warning, "component", "online store")
	}
	return store, nil
}

// storeProblem tells a store that is away, with what to do then, from one that
// refuses us.
func storeProblem(err error, away string) error {
	var refused *sinks.Fatal
	switch {
	case forbidden(err):
		return problemOf(err)
	case errors.Is(err, redis.ErrOtherSecret):
		return failed(err, "run with the secret of before; or, to change it, use another namespace: rows under both would lie side by side, and none be found")
	case errors.As(err, &refused):
		return failed(err, "freshet config view --origin   shows where online_store, redis.username, redis.password and redis.tls come from")
	case errors.Is(err, context.DeadlineExceeded):
		return unreachable(err, "does it want TLS (rediss://HOST:PORT), or none (redis://HOST:PORT)? freshet config view --origin")
	}
	return unreachable(err, away)
}

// openLogs opens what the records and the dead letters go to: files where they
// are named, nothing for a run over files, else the topics of the spec, which
// are created where they are missing and the broker allows it.
func (p *plant) openLogs(ctx context.Context) (output, dead sinks.Log, err error) {
	var topics []sinkkafka.TopicSpec
	if output, err = p.openFile(ctx, p.flags.output, file.Values, "--output: enriched records are not written"); err != nil {
		return nil, nil, err
	}
	if dead, err = p.openFile(ctx, p.flags.deadLetters, file.Headers, "--dead-letters: refused records are counted, not written"); err != nil {
		return nil, nil, err
	}
	if output != nil && dead != nil {
		return output, dead, nil
	}
	log, err := p.openKafkaLog(ctx, output == nil && dead == nil)
	if err != nil {
		return nil, nil, err
	}
	for _, source := range p.spec.Sources {
		if output == nil {
			topics = append(topics, sinkkafka.TopicSpec{Name: source.Output.Topic, Like: source.Topic})
		}
		if dead == nil {
			topics = append(topics, sinkkafka.TopicSpec{Name: record.DeadLetterTopic(p.spec, source), Like: source.Topic})
		}
	}
	if err := log.EnsureTopics(ctx, topics); err != nil {
		_ = log.Close()
		return nil, nil, err
	}
	if p.session != nil {
		return p.session, p.session, nil
	}
	shared := &sharedLog{Log: log, users: 1}
	if output == nil && dead == nil {
		shared.users = 2
	}
	if output == nil {
		output = shared
	}
	if dead == nil {
		dead = shared
	}
	return output, dead, nil
}

// topicLog is a log that can make its topics.
type topicLog interface {
	sinks.Log
	EnsureTopics(context.Context, []sinkkafka.TopicSpec) error
}

// openKafkaLog is the session that source and outputs share, where delivery is
// exactly once and all of them are topics of the cluster; else a plain producer.
func (p *plant) openKafkaLog(ctx context.Context, everything bool) (topicLog, error) {
	producer := sinkkafka.Config{Client: p.kafka, Compression: p.settings.Kafka.Compression}
	if p.settings.Delivery != config.ExactlyOnce || p.fromFiles() || !everything {
		return sinkkafka.NewLog(ctx, producer)
	}
	session, err := sinkkafka.NewSession(ctx, sinkkafka.SessionConfig{Config: producer,
		TransactionalID: p.group(), Timeout: config.TransactionTimeout, AllowOldProtocol: p.settings.Kafka.AllowTV1, Log: p.log})
	if err != nil {
		return nil, err
	}
	p.session = session
	return session, nil
}

// stalled ends a process that does nothing although there is something to do,
// and leaves behind what every goroutine was at.
func (p *plant) stalled(why string) {
	p.log.Error("the watchdog ends the process: every goroutine follows", "why", why, "err_kind", "stalled")
	_ = runtimepprof.Lookup("goroutine").WriteTo(p.app.errs, 2)
	os.Exit(exitInternal)
}

// tellDelivery says what a crash may do to the outputs. That a run over files
// repeats them from the start needs no line.
func (p *plant) tellDelivery() {
	switch {
	case p.session != nil:
		p.log.Info("delivery is exactly once", "transactional_id", p.group())
	case p.settings.Delivery == config.ExactlyOnce && !p.fromFiles():
		p.log.Warn("delivery is at least once: exactly once needs the outputs and the dead letters in topics of the sources' cluster")
	}
}

// openFile is the log of a path; nil where the topics are meant. A live run goes on
// behind its last commit, and so its files go on too.
func (p *plant) openFile(ctx context.Context, path string, form file.Form, absent string) (sinks.Log, error) {
	switch {
	case path != "" && p.fromFiles():
		return file.Create(ctx, path, form, p.app.out)
	case path != "":
		return file.Continue(ctx, path, form, p.app.out)
	case p.fromFiles():
		fmt.Fprintf(p.app.errs, "no %s\n", absent)
		return file.Null{}, nil
	}
	return nil, nil
}

// sharedLog is one producer for records and dead letters: it closes with its
// last user.
type sharedLog struct {
	sinks.Log
	users int
}

// Close implements sinks.Log.
func (l *sharedLog) Close() error {
	if l.users--; l.users > 0 {
		return nil
	}
	return l.Log.Close()
}

// openSource opens the live sources, which are all of one type: a batch has one
// order.
func (p *plant) openSource(ctx context.Context) (sources.Consumer, error) {
	kind := p.spec.Sources[0].Type
	for _, source := range p.spec.Sources {
		if source.Type != kind {
			return nil, usage("sources %s (%s) and %s (%s): one run reads sources of one type; give the others as --input",
				p.spec.Sources[0].Name, kind, source.Name, source.Type)
		}
	}
	return sourceTypes[kind](ctx, p)
}

// observe logs what the Kafka consumer tells of itself.
func (p *plant) observe(what string, err error) {
	if err != nil {
		p.log.Warn(what, "component", "source", "err", err)
		return
	}
	p.log.Info(what, "component", "source")
}

// judge gives the end of a run its exit code.
func (p *plant) judge(err error) error {
	var known *problem
	if err == nil || errors.As(err, &known) {
		return err
	}
	var panicked *pipeline.PanicError
	if errors.As(err, &panicked) {
		return &problem{code: exitInternal, err: err, next: "please report this; the record is named above, its content is not"}
	}
	return err
}
