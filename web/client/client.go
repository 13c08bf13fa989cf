package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// The environment variables that carry a credential, so that it shows neither
// in the shell's history nor in the list of processes.
const (
	EnvToken  = "DEFARM_TOKEN"   // a token from login or register
	EnvAPIKey = "DEFARM_API_KEY" // an API key, dfm_…
)

// DefaultURL is where `defarm serve` listens when nothing else is configured.
const DefaultURL = "http://127.0.0.1:3000"

// MaxBody is how many bytes of an answer are read unless Options says more.
const MaxBody = 16 << 20

// Credential is how a client proves who it is. With both set the token is
// used; the zero value sends nothing.
type Credential struct {
	Token  string
	APIKey string
}

// FromEnv reads the credential from DEFARM_TOKEN and DEFARM_API_KEY.
func FromEnv() Credential {
	return Credential{
		Token:  strings.TrimSpace(os.Getenv(EnvToken)),
		APIKey: strings.TrimSpace(os.Getenv(EnvAPIKey)),
	}
}

// IsZero reports whether there is no credential.
func (c Credential) IsZero() bool { return c.Token == "" && c.APIKey == "" }

// Options configure a Client. The zero value of each field is its default.
type Options struct {
	URL        string            // default DefaultURL; a path in it is kept as a prefix
	Credential Credential        // default none
	Timeout    time.Duration     // of one attempt, answer included; default 30 s
	MaxBody    int64             // bytes read of one answer; default MaxBody
	Retry      Retry             // how Call repeats what was refused as busy
	Transport  http.RoundTripper // default NewTransport(16)
	UserAgent  string            // default "defarm"
}

// Client talks to one server. It may be used by many goroutines.
type Client struct {
	base    *url.URL
	cred    Credential
	timeout time.Duration
	maxBody int64
	retry   Retry
	agent   string
	http    *http.Client
}

// New returns a client. It fails when the URL is not an http or https one.
func New(o Options) (*Client, error) {
	if o.URL == "" {
		o.URL = DefaultURL
	}
	base, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("server URL: %w", err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("server URL %q: want http://host:port or https://host", o.URL)
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxBody <= 0 {
		o.MaxBody = MaxBody
	}
	if o.Transport == nil {
		o.Transport = NewTransport(16)
	}
	if o.UserAgent == "" {
		o.UserAgent = "defarm"
	}
	return &Client{
		base: base, cred: o.Credential, timeout: o.Timeout, maxBody: o.MaxBody,
		retry: o.Retry.withDefaults(), agent: o.UserAgent,
		// A redirect would resend the credential somewhere else; the API
		// has none, so one is shown as the answer that it is.
		http: &http.Client{
			Transport: o.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}, nil
}

// NewTransport returns a keep-alive transport for conns connections in
// parallel to one server. It asks for no compression: bodies are small, and
// inflating them would be measured as latency.
func NewTransport(conns int) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = conns
	t.MaxIdleConnsPerHost = conns
	t.DisableCompression = true
	t.ForceAttemptHTTP2 = false
	return t
}

// URL is the server's address, for messages.
func (c *Client) URL() string { return c.base.String() }

// WithCredential returns a client that shares everything with c except the
// credential.
func (c *Client) WithCredential(cred Credential) *Client {
	other := *c
	other.cred = cred
	return &other
}

// Reply is an answer of any status.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte // at most Options.MaxBody bytes
}

// OK reports a status of 200 to 299.
func (r *Reply) OK() bool { return r.Status >= 200 && r.Status < 300 }

// ErrBodyTooLarge is returned for an answer over Options.MaxBody.
var ErrBodyTooLarge = errors.New("answer larger than this client reads")

// Send makes one attempt with a JSON body (nil for none) and returns whatever
// the server answers; an error means that there was no complete answer. The
// body is read whole, so that the connection can be used again.
func (c *Client) Send(ctx context.Context, method, path string, body []byte) (*Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.address(path), in)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	c.headers(req, body != nil)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, c.maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(raw)) > c.maxBody {
		return nil, fmt.Errorf("%s %s: %w (%d bytes)", method, path, ErrBodyTooLarge, c.maxBody)
	}
	return &Reply{Status: res.StatusCode, Header: res.Header, Body: raw}, nil
}

// Call sends in as JSON (nil for no body), repeats the attempt as Options.Retry
// says, and decodes a 2xx answer into out (nil to drop it). Any other answer
// is an *Error.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = b
	}
	reply, err := c.attempts(ctx, method, path, body)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Body, out); err != nil {
		return fmt.Errorf("%s %s: answer of an unexpected form: %w", method, path, err)
	}
	return nil
}

// address joins the server's URL and an absolute path with an optional query.
func (c *Client) address(path string) string {
	u := *c.base
	p, query, _ := strings.Cut(path, "?")
	u.Path, u.RawPath = "", ""
	u.RawQuery, u.Fragment = "", ""
	s := u.String() + strings.TrimRight(c.base.EscapedPath(), "/") + p
	if query != "" {
		s += "?" + query
	}
	return s
}

func (c *Client) headers(req *http.Request, hasBody bool) {
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	if hasBody {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.cred.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.cred.Token)
	case c.cred.APIKey != "":
		req.Header.Set("X-API-Key", c.cred.APIKey)
	}
}
