package kafkaclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// OAuth asks for tokens by the client credentials grant (RFC 6749, 4.4).
type OAuth struct {
	TokenURL     string // https, or http on loopback
	ClientID     string
	ClientSecret Secret
	Scope        string       // "" is none
	HTTP         *http.Client // nil: one with tokenTimeout
}

// String hides the secret: a pointer within a struct is printed field by field
// under verbs that do not fit it, and those know nothing of Secret.
func (o OAuth) String() string {
	return fmt.Sprintf("{%s %s %s %s}", o.TokenURL, o.ClientID, o.ClientSecret, o.Scope)
}

const (
	// tokenTimeout bounds one request for a token: a broker waits for it.
	tokenTimeout = 10 * time.Second
	// tokenMargin is how long before its end a token is no longer used, so that
	// it does not expire on its way to the broker.
	tokenMargin = 30 * time.Second
	// maxTokenReply bounds what is read of an answer.
	maxTokenReply = 1 << 20
)

// tokenEndpoint keeps a token until shortly before it ends.
type tokenEndpoint struct {
	oauth OAuth

	mu    sync.Mutex
	held  string
	until time.Time
}

func newTokenEndpoint(o OAuth) (*tokenEndpoint, error) {
	u, err := url.Parse(o.TokenURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the OAUTHBEARER token endpoint %q is not a URL", o.TokenURL)
	}
	loopback := u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.") || u.Hostname() == "::1"
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return nil, fmt.Errorf("the OAUTHBEARER token endpoint %s must be https: a client secret is sent to it", u.Redacted())
	}
	if o.ClientID == "" || o.ClientSecret == "" {
		return nil, errors.New("the OAUTHBEARER token endpoint needs a client id and a client secret")
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: tokenTimeout}
	}
	return &tokenEndpoint{oauth: o}, nil
}

func (e *tokenEndpoint) token(ctx context.Context) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != "" && time.Now().Before(e.until) {
		return e.held, nil
	}
	token, lives, err := e.ask(ctx)
	if err != nil {
		return "", fmt.Errorf("get an OAUTHBEARER token from %s: %w", e.oauth.TokenURL, err)
	}
	e.held, e.until = token, time.Now().Add(lives-tokenMargin)
	return token, nil
}

func (e *tokenEndpoint) ask(ctx context.Context) (string, time.Duration, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if e.oauth.Scope != "" {
		form.Set("scope", e.oauth.Scope)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.oauth.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.SetBasicAuth(url.QueryEscape(e.oauth.ClientID), url.QueryEscape(e.oauth.ClientSecret.Reveal()))
	response, err := e.oauth.HTTP.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxTokenReply))
	if err != nil {
		return "", 0, err
	}
	if response.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("status %s", response.Status)
	}
	var reply struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return "", 0, errors.New("the answer is not JSON")
	}
	if reply.AccessToken == "" {
		return "", 0, errors.New("the answer has no access_token")
	}
	return reply.AccessToken, time.Duration(reply.ExpiresIn) * time.Second, nil
}
