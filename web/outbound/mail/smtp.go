package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

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
	client, err := p.client()
	if err != nil {
		return final(fmt.Errorf("smtp: %w", err))
	}
	err = client.DialAndSendWithContext(ctx, msg)
	var refused *gomail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return final(fmt.Errorf("smtp: %w", err))
	}
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	return nil
}

func (p *smtpProvider) client() (*gomail.Client, error) {
	s := p.o.SMTP
	options := []gomail.Option{gomail.WithPort(s.Port), gomail.WithTimeout(p.o.Timeout)}
	switch s.Security {
	case "tls":
		options = append(options, gomail.WithSSL())
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.TLS != nil {
		options = append(options, gomail.WithTLSConfig(s.TLS))
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
	}
	return gomail.NewClient(s.Host, options...)
}

// message writes a mail as it goes over the wire. Names and subjects are encoded
// by the library, so that no line break in them starts a header.
func (o *Options) message(m app.Mail) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	from := o.FromEmail
	if from == "" {
		from = "defarm@localhost" // development providers need no sender
	}
	err := errors.Join(msg.FromFormat(o.FromName, from), msg.AddToFormat(m.ToName, m.To))
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	msg.Subject(m.Subject)
	msg.SetDateWithValue(o.Now().Truncate(time.Second))
	msg.SetMessageID()
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}
