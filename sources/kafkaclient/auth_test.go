package kafkaclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clients are the two libraries that connect with one Config.
var clients = map[string]func(context.Context, Config) error{
	"franz-go": func(ctx context.Context, c Config) error {
		client, err := Connect(ctx, c)
		if err == nil {
			client.Close()
		}
		return err
	},
	"kafka-go": func(ctx context.Context, c Config) error {
		dial, err := c.Dialer()
		if err != nil {
			return err
		}
		t := &kafkago.Transport{Dial: dial}
		defer t.CloseIdleConnections()
		if c.SASL != nil {
			if t.SASL, err = c.SASL.KafkaGo(); err != nil {
				return err
			}
		}
		_, err = t.RoundTrip(ctx, kafkago.TCP(c.Brokers...), &metadata.Request{TopicNames: []string{"t"}})
		return err
	},
}

func each(t *testing.T, test func(t *testing.T, connect func(Config) error)) {
	t.Helper()
	for name, connect := range clients {
		t.Run(name, func(t *testing.T) {
			test(t, func(c Config) error {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				err := connect(ctx, c)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
				return err
			})
		})
	}
}

func cluster(t *testing.T, opts ...kfake.Opt) []string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

func TestPasswords(t *testing.T) {
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			brokers := cluster(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "ann", "right horse"))
			each(t, func(t *testing.T, connect func(Config) error) {
				good := &SASL{Mechanism: mechanism, User: "ann", Password: "right horse"}
				if err := connect(Config{Brokers: brokers, SASL: good}); err != nil {
					t.Errorf("the right password: %v", err)
				}
				bad := &SASL{Mechanism: mechanism, User: "ann", Password: "wrong horse"}
				err := connect(Config{Brokers: brokers, SASL: bad})
				if err == nil || strings.Contains(err.Error(), "horse") {
					t.Errorf("the wrong password: %v", err)
				}
			})
		})
	}
}

// Brokers answer a wrong password with an error, in-process ones hang up.
func TestAWrongPasswordIsSaid(t *testing.T) {
	sasl := &SASL{Mechanism: Plain, User: "ann", Password: "wrong"}
	s := startStub(t, func(string, []byte) error { return errors.New("Authentication failed: Invalid username or password") })
	err := clients["franz-go"](t.Context(), Config{Brokers: []string{s.address}, SASL: sasl})
	if err == nil || !strings.Contains(err.Error(), "refused the user and password") || !Fatal(err) {
		t.Errorf("the error is %v, fatal %v", err, Fatal(err))
	}
	brokers := cluster(t, kfake.EnableSASL(), kfake.Superuser(Plain, "ann", "right"))
	err = clients["franz-go"](t.Context(), Config{Brokers: brokers, SASL: sasl})
	if err == nil || !strings.Contains(err.Error(), "the user, the password or the token may be wrong") {
		t.Errorf("the error is %v", err)
	}
}

// A real broker answers so on a port without SASL; kfake does not.
func TestSASLWhereNoneIsExpectedIsSaid(t *testing.T) {
	c := Config{Brokers: []string{"b:9092"}, SASL: &SASL{Mechanism: ScramSHA256, User: "u", Password: "p"}}
	err := c.Explain(kerr.IllegalSaslState)
	if !strings.Contains(err.Error(), "does not expect SASL") || !errors.Is(err, kerr.IllegalSaslState) {
		t.Error(err)
	}
}

func TestOAuthBearer(t *testing.T) {
	const want = "n,,\x01auth=Bearer tok.en\x01\x01"
	check := func(mechanism string, first []byte) error {
		if mechanism != OAuthBearer || string(first) != want {
			return errors.New("invalid token")
		}
		return nil
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("tok.en\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := 0
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		id, secret, _ := r.BasicAuth()
		if id != "freshet" || secret != "s3" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"tok.en","expires_in":3600}`))
	}))
	defer endpoint.Close()
	oauth := OAuth{TokenURL: endpoint.URL, ClientID: "freshet", ClientSecret: "s3", Scope: "kafka", HTTP: endpoint.Client()}
	each(t, func(t *testing.T, connect func(Config) error) {
		for name, sasl := range map[string]SASL{
			"as it is": {Token: "tok.en"}, "a file": {TokenFile: file}, "an endpoint": {OAuth: &oauth},
		} {
			s := startStub(t, check)
			sasl.Mechanism = OAuthBearer
			if err := connect(Config{Brokers: []string{s.address}, SASL: &sasl}); err != nil {
				t.Errorf("%s: %v (sent %s %q)", name, err, s.mechanism, s.first)
			}
		}
		s := startStub(t, check)
		err := connect(Config{Brokers: []string{s.address}, SASL: &SASL{Mechanism: OAuthBearer, Token: "other"}})
		if err == nil || strings.Contains(err.Error(), "other") {
			t.Errorf("a wrong token: %v", err)
		}
	})
	kept, err := newTokenEndpoint(oauth)
	if err != nil {
		t.Fatal(err)
	}
	before := asked
	for range 3 {
		if token, err := kept.token(t.Context()); err != nil || token != "tok.en" {
			t.Errorf("got %q, %v", token, err)
		}
	}
	if asked != before+1 {
		t.Errorf("a token of an hour was asked for %d times", asked-before)
	}
	oauth.ClientSecret = "wrong"
	refused, _ := newTokenEndpoint(oauth)
	if _, err := refused.token(t.Context()); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong client secret: %v", err)
	}
}

// The stub computes the signature itself (AWS Signature Version 4, query form).
func TestMSKIAM(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	check := func(mechanism string, first []byte) error {
		var v map[string]string
		if err := json.Unmarshal(first, &v); err != nil {
			return err
		}
		if mechanism != MSKIAM || v["version"] != "2020_10_22" || v["host"] != "127.0.0.1" || v["action"] != "kafka-cluster:Connect" ||
			v["x-amz-security-token"] != "session" || v["x-amz-signature"] != signature(v, "very secret") {
			return errors.New("the request signature does not match")
		}
		return nil
	}
	each(t, func(t *testing.T, connect func(Config) error) {
		fixed := AWS{AccessKey: "AKIA", SecretKey: "very secret", SessionToken: "session"}
		asked := AWS{Credentials: func(context.Context) (AWS, error) { return fixed, nil }}
		for name, aws := range map[string]AWS{"fixed": fixed, "asked for": asked} {
			s := startStub(t, check)
			if err := connect(Config{Brokers: []string{s.address}, SASL: &SASL{Mechanism: MSKIAM, AWS: aws}}); err != nil {
				t.Errorf("%s: %v (sent %s %s)", name, err, s.mechanism, s.first)
			}
		}
		s := startStub(t, check)
		fixed.SecretKey = "other secret"
		err := connect(Config{Brokers: []string{s.address}, SASL: &SASL{Mechanism: MSKIAM, AWS: fixed}})
		if err == nil || strings.Contains(err.Error(), "other") {
			t.Errorf("a wrong secret key: %v", err)
		}
	})
}

func signature(v map[string]string, secret string) string {
	q := url.Values{}
	for lower, name := range map[string]string{"action": "Action", "x-amz-algorithm": "X-Amz-Algorithm", "x-amz-credential": "X-Amz-Credential",
		"x-amz-date": "X-Amz-Date", "x-amz-expires": "X-Amz-Expires", "x-amz-signedheaders": "X-Amz-SignedHeaders", "x-amz-security-token": "X-Amz-Security-Token"} {
		q.Set(name, v[lower])
	}
	empty := sha256.Sum256(nil)
	canonical := "GET\n/\n" + strings.ReplaceAll(q.Encode(), "+", "%20") + "\nhost:" + v["host"] + "\n\nhost\n" + hex.EncodeToString(empty[:])
	_, scope, _ := strings.Cut(v["x-amz-credential"], "/")
	sum := sha256.Sum256([]byte(canonical))
	toSign := "AWS4-HMAC-SHA256\n" + v["x-amz-date"] + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + secret)
	for _, part := range append(strings.Split(scope, "/"), toSign) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// authority makes certificates for TestTLS.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a *authority) issue(t *testing.T, name string, client bool) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if client {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
		template.ExtKeyUsage, template.DNSNames, template.IPAddresses = nil, nil, nil
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert == nil {
		a.key = key
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestTLS(t *testing.T) {
	ca := &authority{dir: t.TempDir()}
	caFile, _ := ca.issue(t, "ca", false)
	serverCert, serverKey := ca.issue(t, "kafka.test", false)
	clientCert, clientKey := ca.issue(t, "freshet", true)
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	brokers := cluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	good := TLS{CAFile: caFile, CertFile: clientCert, KeyFile: clientKey}
	each(t, func(t *testing.T, connect func(Config) error) {
		named, wrongName, stranger, bare := good, good, good, good
		named.ServerName, wrongName.ServerName, stranger.CAFile = "kafka.test", "elsewhere.test", ""
		bare.CertFile, bare.KeyFile = "", ""
		for name, test := range map[string]struct {
			tls  *TLS
			want string
		}{
			"the address": {&good, ""}, "a name": {&named, ""},
			"another name": {&wrongName, "elsewhere.test"}, "an authority that is not ours": {&stranger, "unknown authority"},
			"no client certificate": {&bare, "certificate"}, "plaintext": {nil, "plaintext"},
		} {
			err := connect(Config{Brokers: brokers, TLS: test.tls})
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case test.want != "" && err == nil:
				t.Errorf("%s was let in", name)
			case test.want != "" && test.want != "plaintext" && !strings.Contains(err.Error(), test.want):
				t.Errorf("%s: %v, want %q", name, err, test.want)
			}
		}
	})
}

func TestConfigsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	noPEM := filepath.Join(dir, "no.pem")
	if err := os.WriteFile(noPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := []string{"127.0.0.1:1"}
	for want, c := range map[string]Config{
		"no Kafka brokers":                         {},
		"unknown SASL mechanism \"GSSAPI\"":        {Brokers: b, SASL: &SASL{Mechanism: "GSSAPI"}},
		"SASL PLAIN needs a user and a password":   {Brokers: b, SASL: &SASL{Mechanism: Plain, User: "a"}},
		"needs a token, a token file or":           {Brokers: b, SASL: &SASL{Mechanism: OAuthBearer}},
		"read the OAUTHBEARER token":               {Brokers: b, SASL: &SASL{Mechanism: OAuthBearer, TokenFile: filepath.Join(dir, "none")}},
		"must be https":                            {Brokers: b, SASL: &SASL{Mechanism: OAuthBearer, OAuth: &OAuth{TokenURL: "http://idp.example/token", ClientID: "a", ClientSecret: "b"}}},
		"needs an access key and a secret key":     {Brokers: b, SASL: &SASL{Mechanism: MSKIAM}},
		"holds no PEM certificate":                 {Brokers: b, TLS: &TLS{CAFile: noPEM}},
		"both a certificate file and a key file":   {Brokers: b, TLS: &TLS{CertFile: noPEM}},
		"read the Kafka client certificate":        {Brokers: b, TLS: &TLS{CertFile: noPEM, KeyFile: noPEM}},
		"read the Kafka certificate authorities: ": {Brokers: b, TLS: &TLS{CAFile: filepath.Join(dir, "none")}},
	} {
		if _, err := c.Options(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	const secret = "hunter2"
	c := Config{Brokers: []string{"b:1"}, SASL: &SASL{Mechanism: Plain, User: "u", Password: secret, Token: secret,
		OAuth: &OAuth{ClientSecret: secret}, AWS: AWS{SecretKey: secret, SessionToken: secret}}}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "sasl", *c.SASL, "password", c.SASL.Password)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "sasl", *c.SASL, "password", c.SASL.Password)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&b, format+"\n", *c.SASL)
		fmt.Fprintf(&b, format+"\n", c.SASL.Password)
		fmt.Fprintf(&b, format+"\n", *c.SASL.OAuth)
	}
	text, err := json.Marshal(c.SASL.OAuth.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(text)
	if strings.Contains(b.String(), secret) {
		t.Errorf("printed: %s", b.String())
	}
	if c.SASL.Password.Reveal() != secret {
		t.Error("the secret is gone")
	}
}
