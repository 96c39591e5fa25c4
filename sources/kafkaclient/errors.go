package kafkaclient

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrUnreachable is that no broker has answered for longer than is waited for.
var ErrUnreachable = errors.New("unreachable")

// ErrAborted is that a transaction is void for certain.
var ErrAborted = errors.New("the transaction was aborted")

// Held is what a transaction holds.
type Held uint8

// What a transaction may hold. Void: it held outputs and failed, and they were
// not sent again.
const (
	Nothing Held = iota
	Outputs
	Void
)

// Fatal reports whether no retry will mend err, so that the process must end
// and say so: wrong credentials, missing rights, a fenced member, a topic that
// is another one by now, lost data. Everything else (a broker that is away, a
// leader that moved) passes, and the client retries it.
func Fatal(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var session *kgo.ErrGroupSession
	if errors.As(err, &session) && !errors.Is(session.Err, err) {
		return Fatal(session.Err)
	}
	var lost *kgo.ErrDataLoss
	var tooLarge *kgo.ErrDecompressTooLarge
	if errors.As(err, &lost) || errors.As(err, &tooLarge) || errors.Is(err, kgo.ErrClientClosed) {
		return true
	}
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) {
		return true
	}
	if Passing(err) {
		return false
	}
	var code *kerr.Error
	return errors.As(err, &code) && !code.Retriable
}

// passing are the codes that Kafka calls not retriable and that a member of a
// group meets in the course of a hand-over: it joins again.
var passing = []error{
	kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress,
	kerr.MemberIDRequired, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch,
}

// Passing reports whether err is what a member of a group meets when another
// one has taken its place or is about to.
func Passing(err error) bool {
	for _, code := range passing {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// unauthorised are the refusals of who we are or of what we ask for, in the
// words of both clients.
var unauthorised = []error{
	kerr.SaslAuthenticationFailed, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed,
	kerr.TransactionalIDAuthorizationFailed, kerr.DelegationTokenAuthorizationFailed,
	kafkago.SASLAuthenticationFailed, kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.ClusterAuthorizationFailed,
}

// hungUp is a connection that was closed in the course of SASL: how brokers
// that do not answer a failed authentication say so.
type hungUp struct{ err error }

func (h *hungUp) Error() string { return h.err.Error() }
func (h *hungUp) Unwrap() error { return h.err }

// Unauthorised reports whether the cluster refused our credentials, or our
// right to what was asked.
func Unauthorised(err error) bool {
	var closed *hungUp
	if errors.As(err, &closed) {
		return true
	}
	for _, refusal := range unauthorised {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// Explain says of a failure to connect what it means and what to look at.
func (c Config) Explain(err error) error {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Errorf("kafka at %s refused the user and password (or token) of %s: %w", c.Where(), c.SASL.Mechanism, err)
	case errors.Is(err, kerr.IllegalSaslState):
		return fmt.Errorf("kafka at %s does not expect SASL on this port: use the port of a SASL listener, or leave kafka.sasl.mechanism empty: %w", c.Where(), err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("kafka at %s does not offer SASL %s: %w", c.Where(), c.SASL.Mechanism, err)
	case c.SASL != nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return &hungUp{fmt.Errorf("kafka at %s closed the connection in the course of SASL %s: the user, the password or the token may be wrong, or the port wants TLS: %w",
			c.Where(), c.SASL.Mechanism, err)}
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("kafka at %s did not answer in time: check the address, and TLS or SASL if the cluster asks for them: %w", c.Where(), err)
	}
	return fmt.Errorf("connect to kafka at %s: %w", c.Where(), err)
}

// ExplainFirst is Explain for an error of kafka-go in the first exchange with
// the cluster, where nobody was let in yet; other errors stay as they are.
func (c Config) ExplainFirst(err error) error {
	if c.SASL != nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return c.Explain(err)
	}
	return err
}
