package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

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
	// Metrics counts messages by outcome; nil: nobody.
	Metrics prometheus.Registerer
}

// attempts is how often delivery is tried.
const attempts = 4

// provider delivers one message. An error that is final is a permanent one of
// package backoff.
type provider interface {
	deliver(ctx context.Context, m app.Mail) error
}

// Sender is a queue of messages and the goroutine that delivers them.
type Sender struct {
	o        Options
	provider provider // nil: mail is off
	queue    chan app.Mail
	ctx      context.Context //nolint:containedctx // ends what is being delivered when Close gives up
	cancel   context.CancelFunc
	stop     chan struct{}
	stopped  chan struct{}
	once     sync.Once
	warned   sync.Once
	outcomes *prometheus.CounterVec
}

var _ app.Mailer = (*Sender)(nil)

// New starts a sender. Errors: an unknown provider, a directory that cannot be
// made.
func New(o Options) (*Sender, error) {
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
		o.Client = &http.Client{
			Transport: http.DefaultTransport.(*http.Transport).Clone(), //nolint:forcetypeassert // net/http's own
			// An API does not redirect; following would send the key along.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p, err := o.provider()
	if err != nil {
		return nil, err
	}
	s := &Sender{
		o: o, provider: p, queue: make(chan app.Mail, o.Queue),
		stop: make(chan struct{}), stopped: make(chan struct{}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defarm_mails_total", Help: "Mails by how they ended.",
		}, []string{"outcome"}),
	}
	if o.Metrics != nil {
		if err := o.Metrics.Register(s.outcomes); err != nil {
			return nil, fmt.Errorf("register mail metrics: %w", err)
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.run()
	return s, nil
}

func (o *Options) provider() (provider, error) {
	switch o.Provider {
	case "", "none":
		return nil, nil //nolint:nilnil // mail is off
	case "smtp":
		return &smtpProvider{o}, nil
	case "mailersend":
		p := provider(&mailerSend{o})
		if o.SMTP.Host != "" {
			p = &fallback{first: p, second: &smtpProvider{o}}
		}
		return p, nil
	case "sendgrid":
		return &sendGrid{o}, nil
	case "directory":
		return newDirectory(o)
	case "log":
		return &logProvider{o.Logger}, nil
	default:
		return nil, fmt.Errorf("mail: unknown provider %q", o.Provider)
	}
}

// Send implements app.Mailer.
func (s *Sender) Send(_ context.Context, m app.Mail) error {
	if s.provider == nil {
		s.outcomes.WithLabelValues("off").Inc()
		s.warned.Do(func() {
			s.o.Logger.Warn("mail is off: a mail was not sent (see mail.provider in the configuration); this is said once")
		})
		return nil
	}
	select {
	case <-s.stop:
		return app.Busy(app.ReasonShuttingDown)
	default:
	}
	select {
	case s.queue <- m:
		return nil
	default:
		s.outcomes.WithLabelValues("refused").Inc()
		return app.Busy(app.ReasonMailBusy)
	}
}

func (s *Sender) run() {
	defer close(s.stopped)
	for {
		select {
		case m := <-s.queue:
			s.deliver(m)
		case <-s.stop:
			for {
				select {
				case m := <-s.queue:
					s.deliver(m)
				default:
					return
				}
			}
		}
	}
}

// deliver tries until it succeeds, is refused for good, or has tried enough.
func (s *Sender) deliver(m app.Mail) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = s.o.Pause, 2, time.Minute
	_, err := backoff.Retry(s.ctx, func() (struct{}, error) {
		ctx, cancel := context.WithTimeout(s.ctx, s.o.Timeout)
		defer cancel()
		return struct{}{}, s.provider.deliver(ctx, m)
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(attempts))
	if err != nil {
		s.outcomes.WithLabelValues("failed").Inc()
		s.o.Logger.Error("a mail was not delivered", slog.String("provider", s.o.Provider), slog.String("error", scrub(err, m)))
		return
	}
	s.outcomes.WithLabelValues("sent").Inc()
}

// Close delivers what still waits and ends. When ctx ends first, what is left is
// given up and counts as failed.
func (s *Sender) Close(ctx context.Context) error {
	s.once.Do(func() { close(s.stop) })
	defer s.cancel()
	select {
	case <-s.stopped:
	case <-ctx.Done():
		s.cancel()
		<-s.stopped
	}
	if s.o.Metrics != nil {
		s.o.Metrics.Unregister(s.outcomes)
	}
	return nil
}

// scrub is the text of an error without the address that a server may repeat.
func scrub(err error, m app.Mail) string {
	text := err.Error()
	for _, private := range []string{m.To, m.ToName} {
		if private != "" {
			text = strings.ReplaceAll(text, private, "…")
		}
	}
	return text
}

// final says that an error will be the same next time.
func final(err error) error { return backoff.Permanent(err) }

// fallback tries a second way when the first fails.
type fallback struct{ first, second provider }

func (f *fallback) deliver(ctx context.Context, m app.Mail) error {
	err := f.first.deliver(ctx, m)
	if err == nil {
		return nil
	}
	if e := f.second.deliver(ctx, m); e != nil {
		return errors.Join(unwrapFinal(err), e)
	}
	return nil
}

// unwrapFinal is the error without the mark of final: the second way decides.
func unwrapFinal(err error) error {
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		return permanent.Err
	}
	return err
}
