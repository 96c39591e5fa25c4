package pipeline

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/models"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// latencyBuckets are those of every duration, 1 ms to 10 s; scoreBuckets those
// of scores, which lie between 0 and 1.
var (
	latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	scoreBuckets   = []float64{.1, .2, .3, .4, .5, .6, .7, .8, .9, 1}
)

// metrics is what /metrics says of a Runner (surfaces 5.1). No label ever holds
// an entity's key.
type metrics struct {
	specInfo, lagRecords, lagSeconds, watermark, processed   *prometheus.GaugeVec
	stateKeys, stateBytes, assigned                          *prometheus.GaugeVec
	restore, active, standbyLag                              prometheus.Gauge
	memoryLimited                                            prometheus.Gauge
	restarts                                                 prometheus.Counter
	records, bytes, dropped, dead, enum, missing, status     *prometheus.CounterVec
	transactions, onlineErrors, produceErrors, rebal, scores *prometheus.CounterVec
	stages, onlineWrite                                      *prometheus.HistogramVec
	freshness, endToEnd, scoreValue                          *histogram
	group                                                    string
	views, sourceSeries                                      []int               // series of freshness and endToEnd
	modelSeries                                              map[*spec.Model]int // of scoreValue
	scoreDuration                                            *prometheus.HistogramVec
	scoreTook                                                map[*spec.Model]prometheus.Observer // of scoreDuration
	viewIndex                                                map[*spec.View]int                  // in views
	seen                                                     map[counterKey]int64                // of Reader.Counts, already counted
	unretracted                                              map[ofLog][2]int64                  // retractions by reason, already counted
	tableRows, tableLoaded                                   *prometheus.GaugeVec
	tableReloads, lookupMisses, outages, cardNumbers, rows   *prometheus.CounterVec
	losses, rewritten                                        *prometheus.CounterVec
	retractions                                              *prometheus.CounterVec
	held                                                     held
	saves                                                    *saveMetrics
	recovery                                                 recovery
	collectors                                               []prometheus.Collector
}

type counterKey struct {
	worker, source int
	what           *prometheus.CounterVec
	field          string
}

// batchCounts collects what a step counts; it shows once its batch is
// committed, so that a batch that is lost is not counted.
type batchCounts struct {
	scores        []scoreCount
	dropped, dead [][event.NumReasons]int // by source
	tooLarge      []int                   // by source
	poisonous     []int                   // by source
	statuses      [][features.Present + 1]int
	bands         map[bandKey]int

	decode, apply, emit time.Duration
	features, score     time.Duration // of the sampled records
	encode              time.Duration
}

type scoreCount struct {
	series int
	score  float64
}

func newBatchCounts(s *spec.Spec) batchCounts {
	return batchCounts{dropped: make([][event.NumReasons]int, len(s.Sources)), dead: make([][event.NumReasons]int, len(s.Sources)),
		tooLarge: make([]int, len(s.Sources)), poisonous: make([]int, len(s.Sources)), statuses: make([][features.Present + 1]int, len(s.Views)), bands: map[bandKey]int{}}
}

type bandKey struct {
	model *spec.Model
	band  string
}

func (b *batchCounts) sampled(features, score, encode time.Duration) {
	b.features, b.score, b.encode = b.features+features, b.score+score, b.encode+encode
}

func newMetrics(r *Runner) *metrics {
	m := &metrics{group: r.Group, modelSeries: map[*spec.Model]int{}, scoreTook: map[*spec.Model]prometheus.Observer{}, viewIndex: map[*spec.View]int{}, seen: map[counterKey]int64{}, unretracted: map[ofLog][2]int64{}}
	m.gauges(r.Config.Health)
	// As it is now, not as it was a second ago: 0 says that the store has every row.
	m.collectors = append(m.collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "freshet_online_missing_rows",
		Help: "Rows that the online store lacks since it was away."}, func() float64 { return float64(r.behind.count.Load()) }))
	m.counters()
	m.histograms()
	m.saves = newSaveMetrics(m)
	m.runs(r.spec)
	m.begin(r)
	for _, s := range r.spec.Sources {
		m.sourceSeries = append(m.sourceSeries, m.endToEnd.series(s.Name))
	}
	for i, v := range r.spec.Views {
		m.viewIndex[v] = i
		m.views = append(m.views, m.freshness.series(v.Ref()))
	}
	for _, model := range r.spec.Models {
		version := strconv.Itoa(model.Version)
		m.modelSeries[model], m.scoreTook[model] = m.scoreValue.series(model.Name, version), m.scoreDuration.WithLabelValues(model.Name, version)
	}
	return m
}

// begin puts the counters of what goes wrong at 0. A counter that appears with
// its first failure hides that failure from whoever asks for a rate.
func (m *metrics) begin(r *Runner) {
	for _, s := range r.spec.Sources {
		for reason := event.Decode; int(reason) < event.NumReasons; reason++ {
			if reason.DeadLetter() {
				m.dead.WithLabelValues(s.Name, reason.String())
			} else {
				m.dropped.WithLabelValues(s.Name, reason.String())
			}
		}
		m.dead.WithLabelValues(s.Name, record.ReasonTooLarge)
		m.dead.WithLabelValues(s.Name, record.ReasonPanic)
	}
	for _, s := range r.spec.Sources {
		for _, f := range s.Fields {
			if f.Table != "" {
				m.lookupMisses.WithLabelValues(s.Name, f.Name)
			}
		}
	}
	for _, v := range r.spec.Views {
		m.countRetractions(features.LogStats{Source: v.Source, Entity: v.Entity})
	}
	for i, t := range r.Tables {
		name := r.spec.Tables[i].Name
		m.loaded(name, t.Len(), r.Clock())
		for _, result := range []string{"changed", "unchanged", "failed"} {
			m.tableReloads.WithLabelValues(name, result)
		}
	}
	if r.Store != nil {
		m.onlineErrors.WithLabelValues(r.Backend)
		m.outages.WithLabelValues(r.Backend)
		m.losses.WithLabelValues(r.Backend)
		m.rewritten.WithLabelValues(r.Backend)
		for _, result := range []string{"accepted", "rejected_stale", "equal", "other_bytes"} {
			m.rows.WithLabelValues(r.Backend, result)
		}
	}
	for _, log := range []blocker{outputLog, deadLetterLog} {
		m.produceErrors.WithLabelValues(log.String())
	}
	for _, result := range []string{"committed", "aborted", "lost", "failed"} {
		m.transactions.WithLabelValues(result)
	}
}

func (m *metrics) gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.collectors = append(m.collectors, v)
	return v
}

func (m *metrics) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.collectors = append(m.collectors, v)
	return v
}

func (m *metrics) gauges(health *Health) {
	m.specInfo = m.gaugeVec("freshet_spec_info", "1 for the spec that runs.", "namespace", "spec")
	m.lagRecords = m.gaugeVec("freshet_source_lag_records", "Records known to lie ahead in the log.", "source", "partition")
	m.lagSeconds = m.gaugeVec("freshet_source_lag_seconds", "Age of the newest record read where records lie ahead, else 0.", "source", "partition")
	m.watermark = m.gaugeVec("freshet_watermark_timestamp_seconds", "Newest event time accepted.", "source", "partition")
	m.processed = m.gaugeVec("freshet_last_record_processed_timestamp_seconds", "Wall clock of the last committed batch with a record.", "source", "partition")
	m.stateKeys = m.gaugeVec("freshet_state_keys", "Entities with a row.", "view")
	m.stateBytes = m.gaugeVec("freshet_state_bytes", "Bytes of state. The views of one entity over one source share it.", "source", "entity")
	m.assigned = m.gaugeVec("freshet_partitions_assigned", "Partitions that this instance owns.", "group")
	m.tableRows = m.gaugeVec("freshet_table_rows", "Rows of a table that lookups are answered from.", "table")
	m.tableLoaded = m.gaugeVec("freshet_table_loaded_timestamp_seconds", "Wall clock of the last time that a table was read.", "table")
	m.restore = prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_restore_progress_ratio", Help: "How much of the state is rebuilt, 0 to 1."})
	m.active = prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_active", Help: "1 on the active instance, 0 on a standby."})
	m.collectors = append(m.collectors, m.restore, m.active)
	m.recovery = newRecovery(m)
	m.standing(health)
}

func (m *metrics) counters() {
	m.held.counters(m)
	m.records = m.counterVec("freshet_source_records_total", "Records of committed batches.", "source", "topic")
	m.bytes = m.counterVec("freshet_source_bytes_total", "Bytes of the values of these records.", "source", "topic")
	m.dropped = m.counterVec("freshet_records_dropped_total", "Records dropped without a dead letter.", "source", "reason")
	m.dead = m.counterVec("freshet_dlq_records_total", "Dead letters.", "source", "reason")
	m.enum = m.counterVec("freshet_unknown_enum_total", "Accepted values outside a field's enum.", "source", "field")
	m.missing = m.counterVec("freshet_missing_values_total", "Values missing where an expression or a key needs one.", "source", "where")
	m.retractions = m.counterVec("freshet_retractions_lost_total", "Events that took nothing back from an entity: unknown (what they name did not come within the lateness), or no_key.", "source", "entity", "reason")
	m.lookupMisses = m.counterVec("freshet_lookup_misses_total", "Keys that the table of a looked-up field has no row of.", "source", "field")
	m.cardNumbers = m.counterVec("freshet_card_numbers_total", "Texts that look like a card number and are not marked personal: hidden, or kept in identifiers and fields that say so.", "of", "where", "action")
	m.tableReloads = m.counterVec("freshet_table_reloads_total", "Tables read again, by result: changed, unchanged, failed.", "table", "result")
	m.status = m.counterVec("freshet_feature_status_total", "Statuses of the values in enriched records.", "view", "status")
	m.transactions = m.counterVec("freshet_transactions_total", "Commits by result: committed, aborted (and sent again), lost, failed.", "result")
	m.onlineErrors = m.counterVec("freshet_online_write_errors_total", "Failed writes to the online store.", "backend")
	m.outages = m.counterVec("freshet_online_outages_total", "Times that the stream went on without the online store.", "backend")
	m.rows = m.counterVec("freshet_online_rows_total", "Rows by result: accepted by the online store; rejected_stale since a newer version stood there or another owner has taken it over; equal where the same version stood there (looked at in samples, each on a cluster), other_bytes where it said something else: an alarm.", "backend", "result")
	m.losses = m.counterVec("freshet_online_losses_total", "Times that all rows had to be written anew: the online store had lost some, or could not prove that it has all.", "backend")
	m.rewritten = m.counterVec("freshet_online_rewritten_rows_total", "Rows written anew since.", "backend")
	m.produceErrors = m.counterVec("freshet_output_errors_total", "Failed appends to the logs that Freshet writes.", "log")
	m.rebal = m.counterVec("freshet_rebalances_total", "Changes of ownership seen by this instance.", "group")
	m.scores = m.counterVec("freshet_scores_total", "Scores by band; an empty band where the model has none.", "model", "version", "band")
}

func (m *metrics) histograms() {
	native := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencyBuckets, NativeHistogramBucketFactor: 1.1}
	}
	m.stages = prometheus.NewHistogramVec(native("freshet_process_duration_seconds",
		"Time of one step of a batch in a stage; features, score and encode are extrapolated from sampled records, emit is the whole way out. fetch is from the log's time of a step's first record to its being read, wait from there until the step leaves. records is one append to the output log, commit the end of a batch, moment what a checkpoint takes of the loop at once."), []string{"stage"})
	m.onlineWrite = prometheus.NewHistogramVec(native("freshet_online_write_duration_seconds", "Time of one write of rows: of a step, or of a part of one that has many."), []string{"backend"})
	m.freshness = newHistogram("freshet_feature_freshness_seconds", "From a row's newest event time to the row being readable.", latencyBuckets, []string{"view"})
	m.endToEnd = newHistogram("freshet_end_to_end_duration_seconds", "From event time to the committed enriched record.", latencyBuckets, []string{"source"})
	m.scoreValue = newHistogram("freshet_score_value", "Scores.", scoreBuckets, []string{"model", "version"})
	m.scoreDuration = prometheus.NewHistogramVec(native("freshet_score_duration_seconds", "Time that a model took for one record, of the sampled ones."), []string{"model", "version"})
	m.collectors = append(m.collectors, m.stages, m.onlineWrite, m.freshness, m.endToEnd, m.scoreValue, m.scoreDuration)
}

func (m *metrics) register(reg prometheus.Registerer) error {
	for _, c := range m.collectors {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) took(partitions int) {
	m.rebal.WithLabelValues(m.group).Inc()
	m.assigned.WithLabelValues(m.group).Set(float64(partitions))
	m.restore.Set(0)
}

func (m *metrics) lost() {
	m.rebal.WithLabelValues(m.group).Inc()
	m.assigned.WithLabelValues(m.group).Set(0)
	m.active.Set(0)
}

// scored counts one score.
func (m *metrics) scored(counts *batchCounts, model *spec.Model, res *models.Result) {
	counts.bands[bandKey{model, res.Band}]++
	if res.HasScore {
		counts.scores = append(counts.scores, scoreCount{m.modelSeries[model], res.Score})
	}
}

// wrote counts rows of a write that has ended.
func (m *metrics) wrote(backend string, rows int, err error) {
	switch {
	case err == nil:
		m.rows.WithLabelValues(backend, "accepted").Add(float64(rows))
	case errors.Is(err, sinks.ErrLost):
		m.rows.WithLabelValues(backend, "rejected_stale").Add(float64(rows))
	}
	if err != nil {
		m.onlineErrors.WithLabelValues(backend).Inc()
	}
}

// readable observes the freshness of rows that have just been acknowledged, at
// the wall clock now, ms. It is the flight's, and published when that has landed.
func (m *metrics) readable(rows []sinks.VersionedRow, now int64) {
	for i := range rows {
		m.freshness.observe(m.views[m.viewIndex[rows[i].Layout.View]], float64(max(0, now-rows[i].AsOf))/1000)
	}
}

// committed publishes what the steps of a batch have counted.
func (m *metrics) committed(r *Runner, steps []*step) {
	now := r.Clock().UnixMilli()
	for _, s := range steps {
		m.read(r, &s.in, now)
		m.counted(r, &s.counts)
	}
	m.freshness.publish()
	m.endToEnd.publish()
	m.scoreValue.publish()
}

func (m *metrics) read(r *Runner, in *batch, now int64) {
	type traffic struct{ records, bytes int }
	read := make([]traffic, len(r.spec.Sources))
	for i := range in.slots {
		s := &in.slots[i]
		read[s.rec.Source].records++
		read[s.rec.Source].bytes += max(len(s.rec.Value), s.rec.Oversized)
		if s.refusal.Reason == event.Accepted {
			m.endToEnd.observe(m.sourceSeries[s.rec.Source], float64(max(0, now-s.ev.Time))/1000)
		}
	}
	for i, src := range r.spec.Sources {
		m.records.WithLabelValues(src.Name, src.Topic).Add(float64(read[i].records))
		m.bytes.WithLabelValues(src.Name, src.Topic).Add(float64(read[i].bytes))
	}
}

func (m *metrics) counted(r *Runner, counts *batchCounts) {
	for i, src := range r.spec.Sources {
		for reason := range event.NumReasons {
			if n := counts.dropped[i][reason]; n > 0 {
				m.dropped.WithLabelValues(src.Name, event.Reason(reason).String()).Add(float64(n))
			}
			if n := counts.dead[i][reason]; n > 0 {
				m.dead.WithLabelValues(src.Name, event.Reason(reason).String()).Add(float64(n))
			}
		}
		if n := counts.poisonous[i]; n > 0 {
			m.dead.WithLabelValues(src.Name, record.ReasonPanic).Add(float64(n))
		}
		if n := counts.tooLarge[i]; n > 0 {
			m.dead.WithLabelValues(src.Name, record.ReasonTooLarge).Add(float64(n))
		}
	}
	for i, v := range r.spec.Views {
		for status, n := range counts.statuses[i] {
			if n > 0 {
				m.status.WithLabelValues(v.Ref(), features.Status(status).String()).Add(float64(n))
			}
		}
	}
	for k, n := range counts.bands {
		m.scores.WithLabelValues(k.model.Name, strconv.Itoa(k.model.Version), k.band).Add(float64(n))
	}
	for _, s := range counts.scores {
		m.scoreValue.observe(s.series, s.score)
	}
	m.observeStages(counts)
}

func (b *batchCounts) reset() {
	clear(b.dropped)
	clear(b.dead)
	clear(b.tooLarge)
	clear(b.poisonous)
	clear(b.statuses)
	clear(b.bands)
	b.scores = b.scores[:0]
	b.decode, b.apply, b.emit, b.features, b.score, b.encode = 0, 0, 0, 0, 0, 0
}

// each hands the counts of a reader to f.
func (m *metrics) each(worker, source int, c features.ReadCounts, f func(counterKey, int64)) {
	for _, counts := range []struct {
		of      *prometheus.CounterVec
		byField map[string]int64
	}{{m.enum, c.UnknownEnum}, {m.missing, c.Missing}, {m.lookupMisses, c.Unmatched}} {
		for field, n := range counts.byField {
			f(counterKey{worker, source, counts.of, field}, n)
		}
	}
}

// skip takes a reader's counts as counted already.
func (m *metrics) skip(worker, source int, c features.ReadCounts) {
	m.each(worker, source, c, func(k counterKey, n int64) { m.seen[k] = n })
}

// runs names the spec that runs: the one, since a table's new content makes it
// another.
func (m *metrics) runs(s *spec.Spec) {
	m.specInfo.Reset()
	m.specInfo.WithLabelValues(s.Namespace, record.SpecRef(s)).Set(1)
}

// loaded and reloaded count the tables.
func (m *metrics) loaded(table string, rows int, now time.Time) {
	m.tableRows.WithLabelValues(table).Set(float64(rows))
	m.tableLoaded.WithLabelValues(table).Set(float64(now.UnixMilli()) / 1000)
}

func (m *metrics) reloaded(table, result string) {
	m.tableReloads.WithLabelValues(table, result).Inc()
}

// behind sets how far every partition is behind its log. What was read and does
// not leave, because a store or a log is away, counts as ahead.
func (m *metrics) behind(r *Runner, lag map[sources.PartitionID]int64) {
	wall := r.Clock().UnixMilli()
	held := r.flight != nil && time.Since(r.launchedAt) > tick
	for _, id := range r.own.ids {
		ahead := lag[id]
		if p := r.own.parts[id]; held {
			ahead += p.next - p.shown.next
		}
		p, src, part := r.own.parts[id], r.spec.Sources[id.Source].Name, strconv.Itoa(int(id.Partition))
		m.lagRecords.WithLabelValues(src, part).Set(float64(ahead))
		age := 0.0
		if ahead > 0 && p.recordTime != event.NoTime {
			age = float64(max(0, wall-p.recordTime)) / 1000
		}
		m.lagSeconds.WithLabelValues(src, part).Set(age)
		if p.at != noTime {
			m.watermark.WithLabelValues(src, part).Set(float64(p.at) / 1000)
		}
		if p.processed > 0 {
			m.processed.WithLabelValues(src, part).Set(float64(p.processed) / 1000)
		}
	}
}

// tick sets what is asked of the engine, the readers and the consumer once a
// second.
func (m *metrics) tick(r *Runner, lag map[sources.PartitionID]int64) {
	m.behind(r, lag)
	stats := r.engine.Stats()
	m.held.count(stats)
	for _, l := range stats.Logs {
		m.stateBytes.WithLabelValues(l.Source.Name, l.Entity.Name).Set(float64(l.Bytes))
		m.countRetractions(l)
	}
	for _, v := range stats.Views {
		m.stateKeys.WithLabelValues(v.View.Ref()).Set(float64(v.Keys))
	}
	m.countReads(r)
	m.countCards(&r.out)
}

// countRetractions counts the events that took nothing back since the last time.
func (m *metrics) countRetractions(l features.LogStats) {
	if l.Source.Retracts == nil {
		return
	}
	k := ofLog{l.Source, l.Entity}
	before := m.unretracted[k]
	m.unretracted[k] = [2]int64{l.RetractUnknown, l.RetractKeyless}
	for i, reason := range [...]string{"unknown", "no_key"} {
		d := m.unretracted[k][i] - before[i] // a rebuilt engine begins again
		m.retractions.WithLabelValues(l.Source.Name, l.Entity.Name, reason).Add(float64(max(0, d)))
	}
}

// ofLog is one entity over one source.
type ofLog struct {
	source *spec.Source
	entity *spec.Entity
}

// countCards counts what looked like a card number in records and in rows.
func (m *metrics) countCards(o *output) {
	add := func(of, name string, hidden, kept int64) {
		m.cardNumbers.WithLabelValues(of, name, "hidden").Add(float64(hidden))
		m.cardNumbers.WithLabelValues(of, name, "kept").Add(float64(kept))
	}
	for _, s := range o.sources {
		s.encoder.Cards().Drain(add)
	}
	o.cards.Drain(add)
}

// countReads counts what the readers saw since the last time.
func (m *metrics) countReads(r *Runner) {
	for w := range r.readers {
		for s := range r.readers[w] {
			m.each(w, s, r.readers[w][s].Counts(), func(k counterKey, n int64) {
				if d := n - m.seen[k]; d > 0 {
					k.what.WithLabelValues(r.spec.Sources[k.source].Name, k.field).Add(float64(d))
				}
				m.seen[k] = n // after a reader was replaced it begins again
			})
		}
	}
}
