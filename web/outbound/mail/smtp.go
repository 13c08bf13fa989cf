package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"sync"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/defarm-repo/defarm/app"
)

// SMTP is a mail server.
type SMTP struct {
	Host     string
	Port     int
	Username string // "": no authentication
	Password string
	// Security is starttls, tls or none.
	Security string
	// TLS replaces the usual settings, as for a certificate of one's own.
	TLS *tls.Config
}

type smtpProvider struct{ o *Options }

func (p *smtpProvider) deliver(ctx context.Context, m app.Mail) error {
	msg, err := p.o.message(m)
	if err != nil {
		return final(err)
	}
	d := &dialer{tls: p.o.SMTP.Security == "tls", config: p.o.SMTP.config()}
	client, err := p.client(d)
	if err != nil {
		return final(fmt.Errorf("smtp: %w", err))
	}
	// The library looks at the context while it dials only.
	release := context.AfterFunc(ctx, d.close)
	err = client.DialAndSendWithContext(ctx, msg)
	release()
	d.close()
	switch {
	case err == nil, msg.IsDelivered(): // whatever came after the server took it
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("smtp: %w: %w", context.Cause(ctx), err)
	case refusedForGood(err):
		return final(fmt.Errorf("smtp: %w", err))
	default:
		return fmt.Errorf("smtp: %w", err)
	}
}

// refusedForGood says that the server answered with 5xx, be it to the greeting,
// the login or the message.
func refusedForGood(err error) bool {
	var sending *gomail.SendError
	if errors.As(err, &sending) {
		return sending.ErrorCode() >= 500
	}
	var answer *textproto.Error
	return errors.As(err, &answer) && answer.Code >= 500
}

// config is the TLS settings for the server.
func (s SMTP) config() *tls.Config {
	if s.TLS != nil {
		return s.TLS
	}
	return &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}
}

// dialer opens connections and closes them, whatever became of them: the library
// leaves one open when STARTTLS or the login fails (go-mail 0.8.1,
// DialToSMTPClientWithContext). It may go when a release closes it.
type dialer struct {
	tls    bool // from the first byte on
	config *tls.Config

	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var plain net.Dialer
	open := plain.DialContext
	if d.tls {
		open = (&tls.Dialer{NetDialer: &plain, Config: d.config}).DialContext
	}
	conn, err := open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	d.conns = append(d.conns, conn)
	return conn, nil
}

// close ends what is open and what is still to come.
func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, c := range d.conns {
		_ = c.Close() // closed before, as a rule
	}
}

func (p *smtpProvider) client(d *dialer) (*gomail.Client, error) {
	s := p.o.SMTP
	options := []gomail.Option{
		gomail.WithPort(s.Port), gomail.WithTimeout(p.o.Timeout),
		gomail.WithDialContextFunc(d.dial), gomail.WithTLSConfig(d.config),
	}
	policy := gomail.TLSMandatory
	switch s.Security {
	case "tls":
		policy = gomail.TLSOpportunistic // the dialer has done it; the library looks, and finds it done
	case "none":
		policy = gomail.NoTLS
	}
	options = append(options, gomail.WithTLSPolicy(policy))
	if s.Username != "" {
		// Named one by one, because its own discovery takes a connection of our
		// dialer for one in clear. In clear PLAIN and LOGIN refuse to run, but
		// to a server on the same machine.
		options = append(options, gomail.WithUsername(s.Username), gomail.WithPassword(s.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1,
				gomail.SMTPAuthCramMD5, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return gomail.NewClient(s.Host, options...)
}

// message writes a mail as it goes over the wire.
func (o *Options) message(m app.Mail) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from := o.FromEmail
	if from == "" {
		from = "defarm@localhost" // development providers need no sender
	}
	if err := msg.From(address(o.FromName, from)); err != nil {
		return nil, fmt.Errorf("the sender's address: %w", err)
	}
	if msg.AddTo(address(m.ToName, m.To)) != nil { // its text repeats the address
		return nil, errRecipient
	}
	msg.Subject(m.Subject)
	msg.SetDateWithValue(o.Now().Truncate(time.Second))
	msg.SetMessageID()
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}

// address is a name and an address as a header writes them.
func address(name, addr string) string {
	return (&netmail.Address{Name: oneLine(name), Address: addr}).String()
}

// oneLine drops what would start another header.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
