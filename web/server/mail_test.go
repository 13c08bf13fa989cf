package server

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/outbound/mail"
)

// Every setting of the file reaches the sender.
func TestMailOptions(t *testing.T) {
	t.Parallel()
	file := writeFile(t, `
mail:
  provider: mailersend
  from_email: farm@example.org
  from_name: Farm
  api_key: key
  api_url: https://mail.example.org
  directory: mails
  timeout: 7s
  smtp:
    host: smtp.example.org
    port: 465
    username: user
    password: word
    security: tls
`)
	loaded, err := Load(Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	want := mail.Options{
		Provider: "mailersend", FromEmail: "farm@example.org", FromName: "Farm", APIKey: "key", APIURL: "https://mail.example.org",
		Directory: "mails", Timeout: 7 * time.Second,
		SMTP: mail.SMTP{Host: "smtp.example.org", Port: 465, Username: "user", Password: "word", Security: "tls"},
	}
	if diff := cmp.Diff(want, loaded.Config.Mail.options(), cmpopts.IgnoreUnexported(mail.Options{})); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

// The sender counts in the server's metrics and speaks in its log.
func TestMailOpen(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	registry, c := prometheus.NewRegistry(), defaultMail()
	s, err := c.open(slog.New(slog.NewTextHandler(&log, nil)), registry)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), app.Mail{To: "maria@example.org"}); err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP defarm_mails_total Mails by who was to deliver them and how that ended.
# TYPE defarm_mails_total counter
defarm_mails_total{outcome="dropped",provider="none"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "defarm_mails_total"); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "mail is off") {
		t.Errorf("log: got %s, want that mail is off", log.String())
	}
}

func TestMailConfigCheck(t *testing.T) {
	t.Parallel()
	smtp := func(c *Config) {
		c.Mail.Provider, c.Mail.FromEmail, c.Mail.SMTP.Host = "smtp", "farm@example.org", "smtp.example.org"
	}
	api := func(c *Config) {
		c.Mail.Provider, c.Mail.FromEmail, c.Mail.APIKey = "sendgrid", "farm@example.org", "key"
	}
	tests := []struct {
		name string
		base func(*Config)
		edit func(*Config)
		want []string // keys of the problems
	}{
		{"smtp", smtp, func(*Config) {}, nil},
		{"smtp without a sender", smtp, func(c *Config) { c.Mail.FromEmail = "" }, []string{"mail.from_email"}},
		{"smtp without a host", smtp, func(c *Config) { c.Mail.SMTP.Host = "" }, []string{"mail.smtp.host"}},
		{"lowest port", smtp, func(c *Config) { c.Mail.SMTP.Port = 1 }, nil},
		{"port 0", smtp, func(c *Config) { c.Mail.SMTP.Port = 0 }, []string{"mail.smtp.port"}},
		{"highest port", smtp, func(c *Config) { c.Mail.SMTP.Port = 65535 }, nil},
		{"port too high", smtp, func(c *Config) { c.Mail.SMTP.Port = 65536 }, []string{"mail.smtp.port"}},
		{"other security", smtp, func(c *Config) { c.Mail.SMTP.Security = "ssl" }, []string{"mail.smtp.security"}},
		{"shortest timeout", smtp, func(c *Config) { c.Mail.Timeout = time.Second }, nil},
		{"timeout too short", smtp, func(c *Config) { c.Mail.Timeout = time.Second - 1 }, []string{"mail.timeout"}},
		{"sender with a name", smtp, func(c *Config) { c.Mail.FromEmail = "Farm <farm@example.org>" }, []string{"mail.from_email"}},
		{"sender of two lines", smtp, func(c *Config) { c.Mail.FromEmail = "farm@example.org\r\nBcc: x@example.org" }, []string{"mail.from_email"}},
		{"sendgrid", api, func(*Config) {}, nil},
		{"sendgrid without a key", api, func(c *Config) { c.Mail.APIKey = "" }, []string{"mail.api_key"}},
		{"mailersend without anything", api, func(c *Config) {
			c.Mail = MailConfig{Provider: "mailersend", Timeout: time.Second, SMTP: defaultMail().SMTP}
		}, []string{"mail.from_email", "mail.api_key"}},
		{"API that is no URL", api, func(c *Config) { c.Mail.APIURL = "mail.example.org" }, []string{"mail.api_url"}},
		{"directory without a directory", api, func(c *Config) { c.Mail.Provider = "directory" }, []string{"mail.directory"}},
		{"log without a sender", api, func(c *Config) { c.Mail.Provider, c.Mail.FromEmail = "log", "" }, nil},
		{"unknown provider", api, func(c *Config) { c.Mail.Provider = "pigeon" }, []string{"mail.provider"}},
		{"front end", api, func(c *Config) { c.Auth.Reset.FrontendURL = "https://farm.example.org/app" }, nil},
		{"front end that is no URL", api, func(c *Config) { c.Auth.Reset.FrontendURL = "javascript:alert(1)" }, []string{"auth.password_reset.frontend_url"}},
		{"front end with a query", api, func(c *Config) { c.Auth.Reset.FrontendURL = "https://farm.example.org/?a=b" }, []string{"auth.password_reset.frontend_url"}},
		{"front end that routes in the fragment", api, func(c *Config) { c.Auth.Reset.FrontendURL = "https://farm.example.org/#/" }, nil},
		{"one reset an hour", api, func(c *Config) { c.Auth.Reset.PerHour = 1 }, nil},
		{"no reset an hour", api, func(c *Config) { c.Auth.Reset.PerHour = 0 }, []string{"auth.password_reset.per_hour"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := Defaults()
			tc.base(&c)
			tc.edit(&c)
			var got []string
			var ce *ConfigError
			if errors.As(c.Validate(), &ce) {
				for _, p := range ce.Problems {
					key, _, _ := strings.Cut(p.Error(), ":")
					got = append(got, key)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// The original's variables choose the provider as they did there.
func TestOriginalMailVariables(t *testing.T) {
	t.Parallel()
	from := "FROM_EMAIL=farm@example.org"
	tests := []struct {
		name     string
		environ  []string
		provider string
		key      Secret
	}{
		{"none", nil, "none", ""},
		{"MailerSend", []string{from, "MAILERSEND_API_KEY=a"}, "mailersend", "a"},
		{"SendGrid", []string{from, "SENDGRID_API_KEY=b"}, "sendgrid", "b"},
		{"both: MailerSend", []string{from, "SENDGRID_API_KEY=b", "MAILERSEND_API_KEY=a"}, "mailersend", "a"},
		{"debug log", []string{"PASSWORD_RESET_DEBUG_LOG= Yes"}, "log", ""},
		{"debug log switched off", []string{"PASSWORD_RESET_DEBUG_LOG=0"}, "none", ""},
		{"debug log beside a provider", []string{from, "SENDGRID_API_KEY=b", "PASSWORD_RESET_DEBUG_LOG=1"}, "sendgrid", "b"},
		{"our name wins", []string{from, "SENDGRID_API_KEY=b", "DEFARM_MAIL_PROVIDER=log"}, "log", "b"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Load(Sources{Environ: tc.environ})
			if err != nil {
				t.Fatal(err)
			}
			if m := got.Config.Mail; m.Provider != tc.provider || m.APIKey != tc.key {
				t.Errorf("got %s with key %q, want %s with %q", m.Provider, string(m.APIKey), tc.provider, string(tc.key))
			}
		})
	}
}
