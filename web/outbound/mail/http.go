package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/defarm-repo/defarm/app"
)

// maxAnswer bounds what of an API's answer is read, in bytes.
const maxAnswer = 4 << 10

// mailerSend sends through MailerSend's API (developers.mailersend.com).
type mailerSend struct{ o *Options }

type mailAddress struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

func (p *mailerSend) deliver(ctx context.Context, m app.Mail) error {
	body := struct {
		From    mailAddress   `json:"from"`
		To      []mailAddress `json:"to"`
		Subject string        `json:"subject"`
		Text    string        `json:"text"`
		HTML    string        `json:"html"`
	}{
		mailAddress{p.o.FromEmail, p.o.FromName}, []mailAddress{{m.To, m.ToName}}, m.Subject, m.Text, m.HTML,
	}
	return p.o.post(ctx, "mailersend", orURL(p.o.APIURL, "https://api.mailersend.com")+"/v1/email", body)
}

// sendGrid sends through SendGrid's API, version 3.
type sendGrid struct{ o *Options }

func (p *sendGrid) deliver(ctx context.Context, m app.Mail) error {
	type content struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	type personalization struct {
		To []mailAddress `json:"to"`
	}
	body := struct {
		Personalizations []personalization `json:"personalizations"`
		From             mailAddress       `json:"from"`
		Subject          string            `json:"subject"`
		Content          []content         `json:"content"`
	}{
		[]personalization{{[]mailAddress{{m.To, m.ToName}}}}, mailAddress{p.o.FromEmail, p.o.FromName}, m.Subject,
		[]content{{"text/plain", m.Text}, {"text/html", m.HTML}},
	}
	return p.o.post(ctx, "sendgrid", orURL(p.o.APIURL, "https://api.sendgrid.com")+"/v3/mail/send", body)
}

// newClient makes a client of its own, so that its connections end with the
// sender.
func newClient() *http.Client {
	return &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(), //nolint:forcetypeassert // net/http's own
		// An API does not redirect; following would send the key along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func orURL(url, own string) string {
	if url == "" {
		return own
	}
	return url
}

// post sends JSON to an API. Answers of 4xx are final, except 408 and 429.
func (o *Options) post(ctx context.Context, name, url string, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return final(fmt.Errorf("%s: %w", name, err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		return final(fmt.Errorf("%s: %w", name, err))
	}
	req.Header.Set("Authorization", "Bearer "+o.APIKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := o.Client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer res.Body.Close()
	// Read, so that the connection can be used again; not repeated, because it
	// may say to whom the mail was.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)); err != nil && res.StatusCode < 300 {
		return fmt.Errorf("%s: %w", name, err)
	}
	switch s := res.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s >= 400 && s < 500 && s != http.StatusRequestTimeout && s != http.StatusTooManyRequests:
		return final(fmt.Errorf("%s: status %d", name, s))
	default:
		return fmt.Errorf("%s: status %d", name, s)
	}
}
