package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sinks/redis"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// kafkaClient is the connection to Kafka that the settings describe, secrets
// read.
func kafkaClient(k config.Kafka) (kafkaclient.Config, error) {
	c := kafkaclient.Config{Brokers: k.Brokers}
	if k.TLS.Enabled {
		c.TLS = &kafkaclient.TLS{CAFile: k.TLS.CAFile, CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile, ServerName: k.TLS.ServerName}
	}
	if k.SASL.Mechanism == "" {
		return c, nil
	}
	sasl, err := kafkaSASL(k.SASL)
	if err != nil {
		return c, &problem{code: exitUsage, err: err}
	}
	c.SASL = sasl
	return c, nil
}

// saslNames are the mechanisms by the name they have in settings.
var saslNames = map[string]string{
	"plain":         kafkaclient.Plain,
	"scram-sha-256": kafkaclient.ScramSHA256,
	"scram-sha-512": kafkaclient.ScramSHA512,
	"oauthbearer":   kafkaclient.OAuthBearer,
	"aws_msk_iam":   kafkaclient.MSKIAM,
}

func kafkaSASL(s config.SASL) (*kafkaclient.SASL, error) {
	c := &kafkaclient.SASL{Mechanism: saslNames[s.Mechanism], User: s.Username}
	var err error
	switch s.Mechanism {
	case "oauthbearer":
		switch {
		case s.Token.File() != "":
			c.TokenFile = s.Token.File()
		case s.Token.IsSet():
			c.Token, err = reveal("kafka.sasl.token", s.Token)
		default:
			c.OAuth = &kafkaclient.OAuth{TokenURL: s.TokenURL, ClientID: s.ClientID, Scope: s.Scope}
			c.OAuth.ClientSecret, err = reveal("kafka.sasl.client_secret", s.ClientSecret)
		}
	case "aws_msk_iam":
		err = awsCredentials(c, s)
	default:
		c.Password, err = reveal("kafka.sasl.password", s.Password)
	}
	return c, err
}

// awsCredentials are those of the settings, else those of the AWS_* variables,
// which are read again at each connection.
func awsCredentials(c *kafkaclient.SASL, s config.SASL) error {
	if s.AccessKeyID == "" {
		if os.Getenv("AWS_ACCESS_KEY_ID") == "" {
			return errors.New("aws_msk_iam needs kafka.sasl.access_key_id and kafka.sasl.secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		}
		c.AWS.Credentials = func(context.Context) (kafkaclient.AWS, error) {
			return kafkaclient.AWS{AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"),
				SecretKey:    kafkaclient.Secret(os.Getenv("AWS_SECRET_ACCESS_KEY")),
				SessionToken: kafkaclient.Secret(os.Getenv("AWS_SESSION_TOKEN"))}, nil
		}
		return nil
	}
	c.AWS.AccessKey = s.AccessKeyID
	var err error
	if c.AWS.SecretKey, err = reveal("kafka.sasl.secret_access_key", s.SecretAccessKey); err != nil {
		return err
	}
	if s.SessionToken.IsSet() {
		c.AWS.SessionToken, err = reveal("kafka.sasl.session_token", s.SessionToken)
	}
	return err
}

func reveal(key string, secret config.Secret) (kafkaclient.Secret, error) {
	text, err := secret.Reveal()
	if err != nil {
		return "", fmt.Errorf("setting %s: %w", key, err)
	}
	return kafkaclient.Secret(text), nil
}

// storeOptions say which Redis holds the rows of a spec.
func storeOptions(s *config.Settings, of *spec.Spec, tokens *mask.Tokens) (redis.Options, error) {
	o := redis.Options{
		URL: s.OnlineStore, Namespace: of.Namespace, Tokens: tokens, User: s.Redis.Username,
		Cluster: s.Redis.Mode == config.RedisCluster, AllowEviction: s.Redis.AllowEviction,
		Personal: slices.ContainsFunc(of.Entities, func(e *spec.Entity) bool { return e.PII }),
		CA:       s.Redis.TLS.CAFile, Cert: s.Redis.TLS.CertFile, Key: s.Redis.TLS.KeyFile, ServerName: s.Redis.TLS.ServerName,
	}
	if !s.Redis.Password.IsSet() {
		return o, nil
	}
	password, err := s.Redis.Password.Reveal()
	if err != nil {
		return o, &problem{code: exitUsage, err: fmt.Errorf("setting redis.password: %w", err)}
	}
	o.Password = password
	return o, nil
}

// tokensFor are the tokens of a spec's personal data. Without a secret they
// would be the same everywhere, and could be looked up: that is refused where
// anything personal leaves.
func tokensFor(s *spec.Spec, secret config.Secret) (*mask.Tokens, error) {
	text, err := secret.Reveal()
	if err == nil && len(text) < mask.LeastSecret {
		return nil, &problem{code: exitUsage,
			err:  fmt.Errorf("entity_key_secret has %s, and tokens under a secret of less than %d can be guessed", plural(len(text), "byte"), mask.LeastSecret),
			next: makeSecret}
	}
	if err == nil {
		return mask.NewTokens([]byte(text)), nil
	}
	if personal := personalData(s); personal != "" {
		if !errors.Is(err, config.ErrNoSecret) {
			return nil, &problem{code: exitUsage, err: fmt.Errorf("setting entity_key_secret: %w", err)}
		}
		return nil, &problem{code: exitUsage,
			err: fmt.Errorf("entity_key_secret is not set, but %s personal (pii: true): it makes the tokens that are written in place of their keys",
				personal),
			next: makeSecret}
	}
	return mask.NewTokens(nil), nil
}

const makeSecret = `export FRESHET_ENTITY_KEY_SECRET="$(openssl rand -hex 32)"   (create it once and keep it: with another secret every stored row is unreachable)`

// personalData says what a secret is needed for, as "entities card and user are";
// "" is nothing.
func personalData(s *spec.Spec) string {
	var names []string
	for _, e := range s.Entities {
		if e.PII {
			names = append(names, e.Name)
		}
	}
	if len(names) > 0 {
		return areIs("entity", "entities", names)
	}
	for _, source := range s.Sources {
		for _, f := range source.Fields {
			if f.PII {
				names = append(names, source.Name+"."+f.Name)
			}
		}
	}
	if len(names) > 0 {
		return areIs("field", "fields", names)
	}
	return ""
}

func areIs(one, many string, names []string) string {
	last := len(names) - 1
	if last == 0 {
		return one + " " + names[0] + " is"
	}
	return many + " " + strings.Join(names[:last], ", ") + " and " + names[last] + " are"
}
