package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	kafkago "github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The SASL mechanisms, by the names that Kafka gives them.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
	MSKIAM      = "AWS_MSK_IAM"
)

// SASL says who we are. Only the fields of the mechanism are read.
type SASL struct {
	Mechanism string

	// PLAIN and SCRAM.
	User     string
	Password Secret

	// OAUTHBEARER takes the first of these that is set.
	Token     Secret // as it is
	TokenFile string // read again at every authentication, so that it may be rotated
	OAuth     *OAuth // asked for at a token endpoint

	// AWS_MSK_IAM.
	AWS AWS
}

// AWS are the credentials of AWS_MSK_IAM; the region comes from the broker's
// name, or from AWS_REGION where the name has none.
type AWS struct {
	AccessKey    string
	SecretKey    Secret
	SessionToken Secret
	// Credentials is asked at every authentication, in place of the fields
	// above, where it is set: credentials of a role expire.
	Credentials func(context.Context) (AWS, error)
}

// Franz is the mechanism for franz-go.
func (s SASL) Franz() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case Plain, ScramSHA256, ScramSHA512:
		if s.User == "" || s.Password == "" {
			return nil, fmt.Errorf("SASL %s needs a user and a password", s.Mechanism)
		}
	}
	switch s.Mechanism {
	case Plain:
		return plain.Auth{User: s.User, Pass: s.Password.Reveal()}.AsMechanism(), nil
	case ScramSHA256:
		return scram.Auth{User: s.User, Pass: s.Password.Reveal()}.AsSha256Mechanism(), nil
	case ScramSHA512:
		return scram.Auth{User: s.User, Pass: s.Password.Reveal()}.AsSha512Mechanism(), nil
	case OAuthBearer:
		return s.bearer()
	case MSKIAM:
		return s.AWS.mechanism()
	}
	return nil, fmt.Errorf("unknown SASL mechanism %q: use %s, %s, %s, %s or %s",
		s.Mechanism, Plain, ScramSHA256, ScramSHA512, OAuthBearer, MSKIAM)
}

func (s SASL) bearer() (sasl.Mechanism, error) {
	var token func(context.Context) (string, error)
	switch {
	case s.Token != "":
		token = func(context.Context) (string, error) { return s.Token.Reveal(), nil }
	case s.TokenFile != "":
		token = func(context.Context) (string, error) {
			text, err := os.ReadFile(s.TokenFile)
			if err != nil {
				return "", fmt.Errorf("read the OAUTHBEARER token: %w", err)
			}
			return strings.TrimSpace(string(text)), nil
		}
		if _, err := token(context.Background()); err != nil {
			return nil, err
		}
	case s.OAuth != nil:
		endpoint, err := newTokenEndpoint(*s.OAuth)
		if err != nil {
			return nil, err
		}
		token = endpoint.token
	default:
		return nil, errors.New("SASL OAUTHBEARER needs a token, a token file or a token endpoint")
	}
	return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		text, err := token(ctx)
		return oauth.Auth{Token: text}, err
	}), nil
}

func (a AWS) mechanism() (sasl.Mechanism, error) {
	credentials := a.Credentials
	if credentials == nil {
		if a.AccessKey == "" || a.SecretKey == "" {
			return nil, errors.New("SASL AWS_MSK_IAM needs an access key and a secret key")
		}
		credentials = func(context.Context) (AWS, error) { return a, nil }
	}
	return aws.ManagedStreamingIAM(func(ctx context.Context) (aws.Auth, error) {
		now, err := credentials(ctx)
		if err != nil {
			return aws.Auth{}, fmt.Errorf("get AWS credentials for Kafka: %w", err)
		}
		return aws.Auth{
			AccessKey:    now.AccessKey,
			SecretKey:    now.SecretKey.Reveal(),
			SessionToken: now.SessionToken.Reveal(),
			UserAgent:    DefaultClientID,
		}, nil
	}), nil
}

// KafkaGo is the same mechanism for kafka-go. Both libraries shape a mechanism
// alike, so that kafka-go gets the two that it has not.
func (s SASL) KafkaGo() (kafkago.Mechanism, error) {
	mechanism, err := s.Franz()
	if err != nil {
		return nil, err
	}
	return forKafkaGo{mechanism}, nil
}

type forKafkaGo struct{ sasl.Mechanism }

func (m forKafkaGo) Start(ctx context.Context) (kafkago.StateMachine, []byte, error) {
	host := ""
	if about := kafkago.MetadataFromContext(ctx); about != nil {
		host = net.JoinHostPort(about.Host, strconv.Itoa(about.Port)) // as franz-go gives it
	}
	session, first, err := m.Authenticate(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	return exchange{session}, first, nil
}

type exchange struct{ sasl.Session }

func (e exchange) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	return e.Challenge(challenge)
}
