// Package checks holds the judges of a whole run: pure functions over dumped
// topics and rows, and other people's numbers. Nothing here talks to a server.
package checks

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/verify/oracle"
)

// Dump is all that a run has left behind, and the input that it had.
type Dump struct {
	Spec        *spec.Spec
	Inputs      []oracle.Record // of every partition, from its start, in offset order
	Outputs     [][]byte        // values of the enriched records of all output topics (surfaces.md 4.6)
	DeadLetters []DeadLetter
	// Rows are the hashes of the online store by their keys (surfaces.md 4.2),
	// without alive and meta; nil: the run had no store, nothing is checked. A row
	// whose hash is nil was seen and not read: it is only checked to be one.
	Rows map[string]map[string]string
	// Token is how the key of an entity leaves the process: the HMAC token of
	// a pii entity, the percent-encoded text of any other.
	Token func(e *spec.Entity, key string) string
	// Every says that only each n-th record's values are compared, 0 and 1 that
	// all are. Decisions and rows are always compared.
	Every int
}

// DeadLetter is one record of a dead-letter topic.
type DeadLetter struct {
	Source    string
	Partition int32
	Offset    int64
	Reason    string
}

// Verdict is what the checkers found.
type Verdict struct {
	Inputs       int // distinct places
	Outputs      int // places whose record counts
	DeadLetters  int // places
	Drops        map[string]int
	Void         int // records of a try that a later owner repeated
	Repeated     int // records and dead letters that came again with the same content
	Owners       int
	Batches      int
	Compared     int // records whose values were compared
	Values       int
	Rows         int // that are there
	RowsCompared int // of them, those whose values were compared
	RowValues    int

	Problems     []string // the first of them
	ProblemCount int
}

// maxProblems is how many problems a verdict spells out.
const maxProblems = 20

// OK reports whether nothing was found wrong.
func (v *Verdict) OK() bool { return v.ProblemCount == 0 }

func (v *Verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d inputs = %d outputs + %d dead letters + drops %v; %d owners, %d batches, %d void, %d repeated; %d records with %d values equal the oracle; %d rows, of which %d were compared with %d values and equal the oracle's reads",
		v.Inputs, v.Outputs, v.DeadLetters, v.Drops, v.Owners, v.Batches, v.Void, v.Repeated, v.Compared, v.Values, v.Rows, v.RowsCompared, v.RowValues)
	if v.ProblemCount > 0 {
		fmt.Fprintf(&b, "\n%d problems:\n  %s", v.ProblemCount, strings.Join(v.Problems, "\n  "))
	}
	return b.String()
}

func (v *Verdict) problem(format string, args ...any) {
	v.ProblemCount++
	if len(v.Problems) < maxProblems {
		v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
	}
}

// output is an enriched record as far as the checkers read it.
type output struct {
	EventID    string                     `json:"event_id"`
	EventTime  string                     `json:"event_time"`
	Source     string                     `json:"source"`
	Entities   map[string]string          `json:"entities"`
	Features   map[string]json.RawMessage `json:"features"`
	Statuses   map[string]string          `json:"statuses"`
	Scores     []score                    `json:"scores"`
	Provenance provenance                 `json:"provenance"`
}

type score struct {
	Model   string   `json:"model"`
	Score   *float64 `json:"score"`
	Band    string   `json:"band"`
	Reasons []struct {
		Code string `json:"code"`
	} `json:"reasons"`
}

type provenance struct {
	Spec  string `json:"spec"`
	Place string `json:"place"`
	Batch uint64 `json:"batch"`
	Owner uint64 `json:"owner"`
	Seq   uint64 `json:"seq"`
}

// Check is the whole proof of a run: every input place is exactly one output,
// dead letter or drop, as the oracle decides (I1, I2); every record says what
// the oracle says in the order of (batch, seq) (I3); every row is the oracle's
// read at its _as_of (I4).
func Check(d *Dump) *Verdict { return NewTrial(d.Spec).Judge(d) }

// Trial judges a run that goes on: at each quiet point what came since the last
// one, and all rows. It remembers what the run has said so far.
type Trial struct {
	judge *oracle.Oracle
	known map[string]bool // places that were judged
	order int             // records that were judged
}

// NewTrial is a trial of which nothing is known yet.
func NewTrial(s *spec.Spec) *Trial { return &Trial{judge: oracle.New(s), known: map[string]bool{}} }

// Judge takes what came since the last quiet point: all that was read by then is
// applied, committed and readable. Rows are those of the whole run.
func (t *Trial) Judge(d *Dump) *Verdict {
	v := &Verdict{Drops: map[string]int{}}
	outputs := d.witnesses(v)
	letters := d.letters(v)
	d.replay(v, t, outputs, letters)
	if d.Rows != nil {
		d.rows(v, t.judge)
	}
	return v
}

// Add takes the findings of a later quiet point to those before. Rows are
// those of the last; owners and batches that a quiet point parts count twice.
func (v *Verdict) Add(w *Verdict) {
	v.Inputs, v.Outputs, v.DeadLetters = v.Inputs+w.Inputs, v.Outputs+w.Outputs, v.DeadLetters+w.DeadLetters
	v.Void, v.Repeated, v.Owners, v.Batches = v.Void+w.Void, v.Repeated+w.Repeated, v.Owners+w.Owners, v.Batches+w.Batches
	v.Compared, v.Values, v.Rows, v.RowValues = v.Compared+w.Compared, v.Values+w.Values, w.Rows, v.RowValues+w.RowValues
	v.RowsCompared += w.RowsCompared
	if v.Drops == nil {
		v.Drops = map[string]int{}
	}
	for reason, n := range w.Drops {
		v.Drops[reason] += n
	}
	v.ProblemCount += w.ProblemCount
	v.Problems = append(v.Problems, w.Problems[:min(len(w.Problems), maxProblems-len(v.Problems))]...)
}

// placeOf names an input place as records do.
func (d *Dump) placeOf(r oracle.Record) string {
	return fmt.Sprintf("%s:%d:%d", d.Spec.Sources[r.Source].Name, r.Partition, r.Offset)
}

// witnesses are the records that count, by place: of a place or a batch that
// was tried twice, those of the later owner (design.md 6).
func (d *Dump) witnesses(v *Verdict) map[string]*output {
	byPlace := map[string]*output{}
	var all []*output
	for _, raw := range d.Outputs {
		o := &output{}
		if err := json.Unmarshal(raw, o); err != nil {
			v.problem("an output record is not JSON: %v", err)
			continue
		}
		all = append(all, o)
	}
	ownerOf := map[uint64]uint64{}
	for _, o := range all {
		ownerOf[o.Provenance.Batch] = max(ownerOf[o.Provenance.Batch], o.Provenance.Owner)
		if known := byPlace[o.Provenance.Place]; known == nil || known.Provenance.Owner < o.Provenance.Owner {
			byPlace[o.Provenance.Place] = o
		}
	}
	owners, seqs := map[uint64]bool{}, map[[2]uint64]string{}
	for _, o := range all {
		p := o.Provenance
		owners[p.Owner] = true
		counts := byPlace[p.Place]
		switch {
		case p.Owner < counts.Provenance.Owner:
			v.Void++
		case p.Owner < ownerOf[p.Batch]:
			v.Void++
			v.problem("%s: only in batch %d of owner %d, which owner %d tried again without it", p.Place, p.Batch, p.Owner, ownerOf[p.Batch])
		case o != counts && p != counts.Provenance:
			v.problem("%s: twice in the output, in batch %d seq %d and batch %d seq %d of owner %d",
				p.Place, p.Batch, p.Seq, counts.Provenance.Batch, counts.Provenance.Seq, p.Owner)
		case o != counts:
			v.Repeated++
			if !sameRecord(o, counts) {
				v.problem("%s: two records of batch %d owner %d seq %d differ", p.Place, p.Batch, p.Owner, p.Seq)
			}
		default:
			at := [2]uint64{p.Batch, p.Seq}
			if other, taken := seqs[at]; taken {
				v.problem("batch %d seq %d is both %s and %s", p.Batch, p.Seq, other, p.Place)
			}
			seqs[at] = p.Place
		}
	}
	v.Owners, v.Batches = len(owners), len(ownerOf)
	return byPlace
}

// sameRecord compares the content of two tries of one record.
func sameRecord(a, b *output) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// letters are the reasons of the dead letters by place.
func (d *Dump) letters(v *Verdict) map[string]string {
	byPlace := map[string]string{}
	for _, l := range d.DeadLetters {
		place := fmt.Sprintf("%s:%d:%d", l.Source, l.Partition, l.Offset)
		if known, again := byPlace[place]; again {
			v.Repeated++
			if known != l.Reason {
				v.problem("%s: dead letters for %s and for %s", place, known, l.Reason)
			}
		}
		byPlace[place] = l.Reason
	}
	return byPlace
}

// replay applies all inputs to the judge in the order of application and
// compares what became of each.
func (d *Dump) replay(v *Verdict, t *Trial, outputs map[string]*output, letters map[string]string) {
	order := d.order(outputs)
	v.Inputs = len(order)
	for place := range outputs {
		if t.known[place] {
			v.problem("%s: again in the output, long after its first time", place)
		}
	}
	known, judge := t.known, t.judge
	for _, r := range order {
		t.order++
		place := d.placeOf(r)
		if known[place] {
			v.problem("%s: twice in the input dump", place)
		}
		known[place] = true
		o, letter := outputs[place], letters[place]
		outcome := judge.Apply(r)
		if o != nil && letter != "" {
			v.problem("%s: both an output and a dead letter (%s)", place, letter)
		}
		switch outcome.Reason {
		case oracle.Accepted:
			if o == nil {
				v.problem("%s: lost: accepted by the oracle, dead letter %q", place, letter)
				continue
			}
			v.Outputs++
			if d.Every <= 1 || t.order%d.Every == 0 {
				v.Compared++
				d.record(v, o, outcome)
			}
			continue
		case oracle.Filtered, oracle.Duplicate:
			v.Drops[outcome.Reason]++
			if letter != "" {
				v.problem("%s: dead letter %s, the oracle drops it: %s", place, letter, outcome.Reason)
			}
		default:
			v.DeadLetters++
			if letter != outcome.Reason {
				v.problem("%s: dead letter %q, oracle %s (%s)", place, letter, outcome.Reason, outcome.Detail)
			}
		}
		if o != nil {
			v.problem("%s: an output, the oracle refuses it: %s", place, outcome.Reason)
		}
	}
	for _, place := range unknown(outputs, letters, known) {
		v.problem("%s: no such input", place)
	}
}

func unknown(outputs map[string]*output, letters map[string]string, known map[string]bool) []string {
	var places []string
	for place := range outputs {
		if !known[place] {
			places = append(places, place)
		}
	}
	for place := range letters {
		if !known[place] {
			places = append(places, place)
		}
	}
	sort.Strings(places)
	return places
}

// order is the order of application: records with an output by (batch, seq),
// each behind the refused ones that precede it in its partition. What refuses
// those lies before them in their own partition or, for a duplicate, was
// applied before them, so a later place in the order does not change it.
func (d *Dump) order(outputs map[string]*output) []oracle.Record {
	type group struct {
		batch, seq uint64
		last       bool // nothing with an output follows
		records    []oracle.Record
	}
	var groups []*group
	open := map[[2]int]*group{}
	for _, r := range d.Inputs {
		p := [2]int{r.Source, int(r.Partition)}
		g := open[p]
		if g == nil {
			g = &group{last: true}
			open[p] = g
			groups = append(groups, g)
		}
		g.records = append(g.records, r)
		if o := outputs[d.placeOf(r)]; o != nil {
			g.batch, g.seq, g.last = o.Provenance.Batch, o.Provenance.Seq, false
			delete(open, p)
		}
	}
	sort.SliceStable(groups, func(i, j int) bool {
		a, b := groups[i], groups[j]
		if a.last != b.last {
			return b.last
		}
		if a.batch != b.batch {
			return a.batch < b.batch
		}
		return a.seq < b.seq
	})
	var order []oracle.Record
	for _, g := range groups {
		order = append(order, g.records...)
	}
	return order
}
