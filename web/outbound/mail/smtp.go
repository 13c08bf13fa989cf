package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strings"
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
	err = client.DialAndSendWithContext(ctx, msg)
	d.close()
	var refused *gomail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return final(fmt.Errorf("smtp: %w", err))
	}
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	return nil
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
	d.conns = append(d.conns, conn)
	return conn, nil
}

func (d *dialer) close() {
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
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
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
	err := errors.Join(msg.From(address(o.FromName, from)), msg.AddTo(address(m.ToName, m.To)))
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	msg.Subject(oneLine(m.Subject))
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
