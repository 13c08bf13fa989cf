package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/defarm-repo/defarm/app"
)

// Options say how mail is sent.
type Options struct {
	// Provider is none, smtp, mailersend, sendgrid, directory or log.
	Provider  string
	FromEmail string
	FromName  string
	// APIKey and APIURL are of MailerSend or SendGrid; an empty URL is the
	// provider's own.
	APIKey string
	APIURL string
	// Directory is where the provider directory writes.
	Directory string
	// SMTP is the mail server of the provider smtp, and what is tried when
	// MailerSend fails, if it has a host.
	SMTP SMTP
	// Timeout bounds one attempt; default 30 s.
	Timeout time.Duration
	// Pause is before the second attempt; it doubles. Default 2 s.
	Pause time.Duration
	// Queue is how many messages may wait; default 256.
	Queue int
	// Client sends HTTP requests; default: one of its own.
	Client *http.Client
	// Now is the clock of the date in a mail; default: the system's.
	Now    func() time.Time
	Logger *slog.Logger
	// Metrics counts messages by provider and outcome; nil: nobody.
	Metrics prometheus.Registerer
}

func (o *Options) setDefaults() {
	if o.Provider == "" {
		o.Provider = "none"
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Pause <= 0 {
		o.Pause = 2 * time.Second
	}
	if o.Queue <= 0 {
		o.Queue = 256
	}
	if o.Client == nil {
		o.Client = newClient()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

const (
	// attempts is how often delivery is tried.
	attempts = 4
	// longestPause is between two of them.
	longestPause = time.Minute
)

// How a mail ended, in the metric.
const (
	outcomeSent    = "sent"
	outcomeFailed  = "failed"  // tried enough, refused for good, or given up at the end
	outcomeDropped = "dropped" // not tried: mail is off, or too many waited
)

// provider delivers one message. An error that is a refusal will be the same
// next time.
type provider interface {
	deliver(ctx context.Context, m app.Mail) error
}

// refusal is an error that another attempt would meet again.
type refusal struct{ err error }

func (r refusal) Error() string { return r.err.Error() }
func (r refusal) Unwrap() error { return r.err }

// final says that an error will be the same next time.
func final(err error) error { return refusal{err} }

// errRecipient does not repeat the address.
var errRecipient = errors.New("the recipient's address is none")

// way is a provider with its name.
type way struct {
	name string
	provider
}

// Sender is a queue of messages and the goroutine that delivers them.
type Sender struct {
	o        Options
	ways     []way // in the order in which they are tried; none: mail is off
	cancel   context.CancelFunc
	stopped  chan struct{}
	warned   sync.Once
	outcomes *prometheus.CounterVec

	mu     sync.RWMutex // held for reading while a message enters the queue
	closed bool
	queue  chan app.Mail
}

var _ app.Mailer = (*Sender)(nil)

// New starts a sender. Errors: an unknown provider, a directory that cannot be
// made.
func New(o Options) (*Sender, error) {
	o.setDefaults()
	s := &Sender{
		o: o, queue: make(chan app.Mail, o.Queue), stopped: make(chan struct{}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defarm_mails_total", Help: "Mails by who was to deliver them and how that ended.",
		}, []string{"provider", "outcome"}),
	}
	var err error
	if s.ways, err = s.o.ways(); err != nil {
		return nil, err
	}
	if o.Metrics != nil {
		if err := o.Metrics.Register(s.outcomes); err != nil {
			return nil, fmt.Errorf("register mail metrics: %w", err)
		}
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go s.run(ctx)
	return s, nil
}

func (o *Options) ways() ([]way, error) {
	switch o.Provider {
	case "none":
		return nil, nil
	case "smtp":
		return []way{{o.Provider, &smtpProvider{o}}}, nil
	case "mailersend":
		ways := []way{{o.Provider, &mailerSend{o}}}
		if o.SMTP.Host != "" {
			ways = append(ways, way{"smtp", &smtpProvider{o}})
		}
		return ways, nil
	case "sendgrid":
		return []way{{o.Provider, &sendGrid{o}}}, nil
	case "directory":
		d, err := newDirectory(o)
		return []way{{o.Provider, d}}, err
	case "log":
		return []way{{o.Provider, &logProvider{o.Logger}}}, nil
	default:
		return nil, fmt.Errorf("mail: unknown provider %q", o.Provider)
	}
}

// Send implements app.Mailer.
func (s *Sender) Send(_ context.Context, m app.Mail) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return app.Busy(app.ReasonShuttingDown)
	}
	if len(s.ways) == 0 {
		s.count(s.o.Provider, outcomeDropped)
		s.warned.Do(func() {
			s.o.Logger.Warn("mail is off: a mail was not sent (see mail.provider in the configuration); this is said once")
		})
		return nil
	}
	// What would start another header must not reach any provider.
	m.ToName, m.Subject = oneLine(m.ToName), oneLine(m.Subject)
	select {
	case s.queue <- m:
		return nil
	default:
		s.count(s.o.Provider, outcomeDropped)
		return app.Busy(app.ReasonMailBusy)
	}
}

// run delivers until the queue is closed and empty. What is being delivered ends
// with ctx.
func (s *Sender) run(ctx context.Context) {
	defer close(s.stopped)
	for m := range s.queue {
		s.deliver(ctx, m)
	}
}

// deliver tries until it succeeds, is refused for good, or has tried enough.
func (s *Sender) deliver(ctx context.Context, m app.Mail) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = s.o.Pause, 2, longestPause
	left := s.ways
	by, err := backoff.Retry(ctx, func() (by string, err error) {
		by, left, err = s.attempt(ctx, m, left)
		if err != nil && len(left) == 0 {
			return "", backoff.Permanent(err)
		}
		return by, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(attempts),
		// The attempts are bounded one by one.
		backoff.WithMaxElapsedTime(0))
	if err != nil {
		s.count(s.o.Provider, outcomeFailed)
		s.o.Logger.Error("a mail was not delivered", slog.String("provider", s.o.Provider), slog.String("error", scrub(err, m)))
		return
	}
	s.count(by, outcomeSent)
}

// attempt tries the ways one after the other, each with the whole time of an
// attempt. It returns who took the message, or which ways did not refuse it for
// good.
func (s *Sender) attempt(ctx context.Context, m app.Mail, ways []way) (by string, left []way, err error) {
	for _, w := range ways {
		e := s.once(ctx, m, w)
		if e == nil {
			return w.name, nil, nil
		}
		err = errors.Join(err, e)
		var refused refusal
		if !errors.As(e, &refused) {
			left = append(left, w)
		}
	}
	return "", left, err
}

func (s *Sender) once(ctx context.Context, m app.Mail, p provider) error {
	if oneLine(m.To) != m.To {
		return final(errRecipient) // a name can be mended, an address cannot
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	return p.deliver(ctx, m)
}

func (s *Sender) count(provider, outcome string) {
	s.outcomes.WithLabelValues(provider, outcome).Inc()
}

// Close delivers what still waits and ends. When ctx ends first, what is left is
// given up and counts as failed.
func (s *Sender) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.queue)
	}
	s.mu.Unlock()
	defer s.cancel()
	select {
	case <-s.stopped:
	case <-ctx.Done():
		s.cancel()
		<-s.stopped
	}
	s.o.Client.CloseIdleConnections()
	if s.o.Metrics != nil {
		s.o.Metrics.Unregister(s.outcomes)
	}
	return nil
}

const (
	// longWord is from how many bytes on a word of a mail may be a secret.
	longWord = 16
	// longestError bounds what a server's answer adds to the log, in bytes.
	longestError = 1 << 10
)

// scrub is the text of an error without what a server may have repeated of the
// mail: the address and the long words of the text, as the token in the link.
func scrub(err error, m app.Mail) string {
	notWord := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	text := err.Error()
	for _, word := range append(strings.FieldsFunc(m.Text+" "+m.ToName, notWord), m.To) {
		if len(word) >= longWord || word == m.To && word != "" {
			text = replaceFold(text, word)
		}
	}
	if len(text) > longestError {
		text = strings.ToValidUTF8(text[:longestError], "") + "…"
	}
	return text
}

// replaceFold takes a word out of a text, in whatever case it is.
func replaceFold(text, word string) string {
	found, err := regexp.Compile("(?i)" + regexp.QuoteMeta(word))
	if err != nil { // not valid text
		return strings.ReplaceAll(text, word, "…")
	}
	return found.ReplaceAllLiteralString(text, "…")
}
