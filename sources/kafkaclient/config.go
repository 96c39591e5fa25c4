// Package kafkaclient is how Freshet reaches a Kafka cluster: addresses, TLS,
// SASL, and which errors no retry will mend. Everything that speaks to Kafka
// (the source, the sink, the reader of tail) is configured by one Config of
// this package. It consumes and produces nothing.
package kafkaclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// DefaultDialTimeout bounds one attempt to connect to one broker, the TLS
// handshake included.
const DefaultDialTimeout = 10 * time.Second

// DefaultClientID is the client.id that brokers log and set quotas by.
const DefaultClientID = "freshet"

// Config is the connection to one cluster: plain data, secrets already read.
type Config struct {
	Brokers  []string // host:port, at least one
	ClientID string   // DefaultClientID if empty
	TLS      *TLS     // nil: plaintext
	SASL     *SASL    // nil: no authentication

	DialTimeout time.Duration // of one attempt; DefaultDialTimeout if 0
	// Dial replaces the network, for in-process brokers. It is used as given,
	// without TLS. nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// TLS says whom to trust and as whom to come. The zero value trusts the
// system's certificate authorities and shows no certificate.
type TLS struct {
	CAFile     string // PEM; "" is the system's
	CertFile   string // PEM of the client's certificate, with KeyFile; "" is none
	KeyFile    string
	ServerName string // expected in the server's certificate; "" is the host dialled
}

// Secret is a text that is never printed: every way of formatting it gives
// asterisks. Reveal gives the text.
type Secret string

// Reveal is the secret's text.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret; an empty one shows as empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Options are the client options of franz-go that c stands for.
func (c Config) Options() ([]kgo.Opt, error) {
	if len(c.Brokers) == 0 {
		return nil, errors.New("no Kafka brokers are configured: set kafka.brokers, FRESHET_KAFKA_BROKERS or --brokers")
	}
	dial, err := c.Dialer()
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.clientID()),
		kgo.Dialer(dial),
		kgo.RetryBackoffFn(backoff),
		kgo.RequestRetries(requestRetries),
	}
	if c.SASL != nil {
		mechanism, err := c.SASL.Franz()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

// How long the client waits until it tries again, and how often: what passes in a
// moment, like a coordinator that is still busy, costs a take-over no more than that,
// and a broker that comes back after a minute is seen within a second. The client's own
// pauses begin at 250 ms and go up to 5 s. So many tries take as long as a request may.
const (
	backoffLeast   = 20 * time.Millisecond
	backoffMost    = time.Second
	requestRetries = 60
)

// backoff is the pause behind so many failures in a row, give or take a fifth.
func backoff(fails int) time.Duration {
	pause := backoffMost
	if n := max(fails-1, 0); n < 6 {
		pause = min(pause, backoffLeast<<n)
	}
	return time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64()))
}

// Where names the cluster in errors.
func (c Config) Where() string { return strings.Join(c.Brokers, ",") }

func (c Config) clientID() string {
	if c.ClientID == "" {
		return DefaultClientID
	}
	return c.ClientID
}

// Dialer connects to one broker, through TLS where it is configured.
func (c Config) Dialer() (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	if c.Dial != nil {
		return c.Dial, nil
	}
	timeout := c.DialTimeout
	if timeout == 0 {
		timeout = DefaultDialTimeout
	}
	tcp := &net.Dialer{Timeout: timeout}
	if c.TLS == nil {
		return tcp.DialContext, nil
	}
	config, err := c.TLS.Client()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		config := config.Clone()
		if config.ServerName == "" {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, fmt.Errorf("broker address %q: %w", address, err)
			}
			config.ServerName = host
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return (&tls.Dialer{NetDialer: tcp, Config: config}).DialContext(ctx, network, address)
	}, nil
}

// Client is the TLS configuration of the client's side.
func (t TLS) Client() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the Kafka certificate authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the Kafka certificate authorities: %s holds no PEM certificate", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("the Kafka client certificate needs both a certificate file and a key file")
	}
	if t.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the Kafka client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}
