package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet-dev/freshet/fault"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// Times of a transaction. Timeout is below the session of the group, so that a
// dead owner's transaction is over when the next one begins; commandTimeout is
// below Timeout, so that a slow broker is an abort here and not one there.
const (
	DefaultTransactionTimeout = 8 * time.Second
	DefaultPause              = 5 * time.Millisecond
	commandTimeout            = 3 * time.Second
	endMargin                 = time.Second // of a transaction that is left for its end
	sessionMetadataMinAge     = 50 * time.Millisecond
)

// SessionConfig is what a session needs to know. Zero durations mean the
// defaults.
type SessionConfig struct {
	Config
	// TransactionalID is one for all instances of a run: who takes over ends
	// what the one before has left open.
	TransactionalID string
	Timeout         time.Duration // an open transaction is aborted by the broker after it
	// Pause is between the end of a transaction and the begin of the next: the
	// broker is still writing markers, and answers sooner when asked later.
	Pause time.Duration
	// AllowOldProtocol takes clusters below transaction.version 2, where a
	// delayed request of a transaction may land in the next one.
	AllowOldProtocol bool
	Log              *slog.Logger // what an operator should know; nil: nobody is told
}

// Session is a Log that writes in transactions: the first Produce after an end
// begins one, and whoever commits the positions of the source ends it. It
// implements sinks.Transaction for the pipeline, and what sources/kafka needs of
// a transaction.
//
// A client whose transaction has failed is thrown away: the next one begins
// with a producer id of its own, which ends on the broker whatever the last one
// has left open. So no error needs to be told from another to be safe.
type Session struct {
	config  SessionConfig
	log     *Log
	old     bool // below transaction.version 2
	closing sync.WaitGroup
	topics  []string // that are written to

	mu      sync.Mutex                  // one call at a time
	guard   func(context.Context) error // asked before the id is taken again
	taken   bool                        // the client has a producer id
	broken  error                       // the client must be replaced; why
	open    bool                        // a transaction has begun
	stored  bool                        // and holds something
	void    bool                        // the last one failed, and what it held was not sent again
	begun   time.Time
	ended   time.Time
	stolen  error // another took the id in the middle of a transaction
	retired bool
	blind   bool // it was said that the outputs cannot be looked through
}

// NewSession connects and looks whether the cluster can do it. It takes no id:
// a standby must not disturb the owner.
func NewSession(ctx context.Context, config SessionConfig) (*Session, error) {
	if config.TransactionalID == "" {
		return nil, errors.New("a Kafka session needs a transactional id")
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTransactionTimeout
	}
	if config.Pause == 0 {
		config.Pause = DefaultPause
	}
	s := &Session{config: config}
	version, err := transactionVersion(ctx, config.Client)
	switch {
	case err != nil:
		return nil, err
	case version >= 2:
	case config.AllowOldProtocol:
		s.old = true
	default:
		return nil, fmt.Errorf("kafka at %s has transaction.version %d, and exactly once needs 2 (Kafka 4.0; kafka-features upgrade --feature transaction.version=2): "+
			"upgrade it, or set delivery: at_least_once, or kafka.allow_tv1: true, under which a delayed request may tear a transaction",
			config.Client.Where(), version)
	}
	if s.log, err = newLog(ctx, config.Config, s.options()...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Session) options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.TransactionalID(s.config.TransactionalID),
		kgo.TransactionTimeout(s.config.Timeout),
		kgo.RetryTimeout(commandTimeout),
		kgo.MetadataMinAge(sessionMetadataMinAge), // a produce that meets the last markers waits for it
	}
	if s.old {
		opts = append(opts, kgo.MaxVersions(oldVersions()))
	}
	return opts
}

// EnsureTopics is Log.EnsureTopics.
func (s *Session) EnsureTopics(ctx context.Context, topics []TopicSpec) error {
	s.mu.Lock()
	s.topics = s.topics[:0]
	for _, t := range topics {
		s.topics = append(s.topics, t.Name)
	}
	s.mu.Unlock()
	return s.log.EnsureTopics(ctx, topics)
}

// Guard sets what is asked before the session takes its id again on its own
// account: an instance that another has replaced must not fence it.
func (s *Session) Guard(guard func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guard = guard
}

// Fence makes this process the only one that can write under the id. When it
// returns, every transaction of the id that was open is over.
func (s *Session) Fence(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stolen = nil
	return s.take(ctx)
}

// take gets the id with a client that never had it.
func (s *Session) take(ctx context.Context) error {
	if s.taken || s.broken != nil {
		if err := s.replace(ctx); err != nil {
			return err
		}
	}
	s.taken = true
	id, _, err := s.log.client.ProducerID(ctx)
	if err != nil {
		s.broken = err
		return s.explain("take", err)
	}
	if err := s.unended(ctx, id); err != nil {
		s.broken = err
		return err
	}
	s.broken = nil
	s.ends()
	return nil
}

func (s *Session) replace(ctx context.Context) error {
	old := s.log.client
	if err := s.log.connect(ctx); err != nil {
		return err
	}
	s.taken = false
	s.closing.Go(old.Close) // it may wait for brokers; Close waits for it
	return nil
}

// begin opens a transaction where none is.
func (s *Session) begin(ctx context.Context) error {
	if s.open {
		return nil
	}
	if s.broken != nil || !s.taken {
		if s.guard != nil {
			if err := s.guard(ctx); err != nil {
				return err
			}
		}
		if s.stolen != nil {
			return &sinks.Fatal{Err: s.explain("write under", s.stolen)}
		}
		if err := s.take(ctx); err != nil {
			return err
		}
	}
	if err := pause(ctx, time.Until(s.ended.Add(s.config.Pause))); err != nil {
		return err
	}
	if err := s.log.client.BeginTransaction(); err != nil {
		s.fail(err)
		return err
	}
	s.open, s.stored, s.void, s.begun = true, false, false, time.Now()
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// fail gives up the client and with it the transaction. One that was fenced
// before the broker could have timed it out was fenced by another process.
func (s *Session) fail(err error) {
	fenced := errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
	if fenced && s.open && time.Since(s.begun) < s.config.Timeout {
		s.stolen = err
	}
	s.broken = err
	s.ends()
}

// gone reports whether the broker knows the transaction no more: it has timed
// out, or another has taken the id.
func gone(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) ||
		errors.Is(err, kerr.InvalidTxnState) || errors.Is(err, kerr.InvalidProducerIDMapping)
}

// ends notes that the open transaction, if there is one, came to nothing.
func (s *Session) ends() { s.open, s.void = false, s.void || s.open }

// Produce implements sinks.Log. After any error but *sinks.TooLarge and
// *sinks.Fatal the transaction is gone, which errors.Is(sinks.ErrAborted) says:
// everything of it must be sent again.
func (s *Session) Produce(ctx context.Context, records []sinks.Record) error {
	if len(records) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var fatal *sinks.Fatal
	if err := s.begin(ctx); errors.As(err, &fatal) {
		return err
	} else if err != nil {
		return fmt.Errorf("begin a transaction: %w: %w", sinks.ErrAborted, err)
	}
	ctx, cancel := context.WithDeadline(ctx, s.begun.Add(s.config.Timeout-endMargin))
	defer cancel()
	err := s.log.Produce(ctx, records)
	var large *sinks.TooLarge
	switch {
	case err == nil:
		s.stored = true
		return nil
	case errors.As(err, &large):
		s.stored = s.stored || len(large.Indexes) < len(records)
		return err
	}
	s.fail(err)
	// A record that the broker refuses for its size takes the transaction with
	// it. With the limit known it is refused here, the next time.
	s.log.shrink(context.WithoutCancel(ctx))
	return fmt.Errorf("%w: %w", sinks.ErrAborted, err)
}

// Holds says what a commit would find: outputs, nothing, or that what was there
// is void and was not sent again.
func (s *Session) Holds() kafkaclient.Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.open && s.stored:
		return kafkaclient.Outputs
	case s.void:
		return kafkaclient.Void
	}
	return kafkaclient.Nothing
}

// Forget ends the care for what is void: it was committed after all, or
// belongs to an ownership that is over.
func (s *Session) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.void = false
}

// Abort implements sinks.Transaction: what was produced since the last end is
// void.
func (s *Session) Abort(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abort(ctx)
}

func (s *Session) abort(ctx context.Context) {
	if !s.open {
		return
	}
	if err := s.end(ctx, kgo.TryAbort); err != nil {
		s.broken = err // the next id ends it
	}
	s.ends()
}

// end sends the end of the transaction. It is not cut off by ctx: that would
// only make the outcome unknown.
func (s *Session) end(ctx context.Context, how kgo.TransactionEndTry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTimeout)
	defer cancel()
	err := s.log.client.EndTransaction(ctx, how)
	s.ended = time.Now()
	return err
}

// AddOffsets makes the positions in request part of the open transaction; the
// session fills in who it is. The error is the first that a partition has. The
// transaction stays open, unless the answer is that it is over.
func (s *Session) AddOffsets(ctx context.Context, request *kmsg.TxnOffsetCommitRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return kafkaclient.ErrAborted
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	client := s.log.client
	id, epoch, err := client.ProducerID(ctx)
	if err != nil {
		return err
	}
	if s.old {
		if err := s.addGroup(ctx, request.Group, id, epoch); err != nil {
			return err
		}
	}
	request.TransactionalID, request.ProducerID, request.ProducerEpoch = s.config.TransactionalID, id, epoch
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				if gone(err) {
					s.fail(err)
				}
				return fmt.Errorf("topic %s, partition %d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// Commit ends the transaction. kafkaclient.ErrAborted says that it is void for
// certain; after any other error it may be committed, and only who looks at the
// group's positions after a Fence can tell.
func (s *Session) Commit(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return kafkaclient.ErrAborted
	}
	fault.At(fault.EndAsked)
	err := s.end(ctx, kgo.TryCommit)
	fault.At(fault.EndSent)
	switch {
	case err == nil:
		s.open = false
		return nil
	case errors.Is(err, kerr.OperationNotAttempted), errors.Is(err, kerr.TransactionAbortable):
		s.abort(ctx)
		return fmt.Errorf("%w: %w", kafkaclient.ErrAborted, err)
	}
	s.fail(err)
	return err
}

// Close ends the connection; what is open is aborted by the broker, or by who
// comes next.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return nil
	}
	s.retired = true
	s.abort(context.Background())
	s.closing.Wait()
	return s.log.Close()
}

func (s *Session) explain(what string, err error) error {
	if errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		return fmt.Errorf("no right on transactional id %s on kafka at %s: grant Write and Describe on it, or set delivery: at_least_once: %w",
			s.config.TransactionalID, s.config.Client.Where(), err)
	}
	if s.stolen != nil {
		return fmt.Errorf("another process writes under transactional id %s on kafka at %s: give each run a group of its own, and each instance an instance id of its own: %w",
			s.config.TransactionalID, s.config.Client.Where(), err)
	}
	return fmt.Errorf("%s transactional id %s on kafka at %s: %w", what, s.config.TransactionalID, s.config.Client.Where(), err)
}
