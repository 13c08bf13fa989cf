package server

import (
	"net/mail"
	"net/url"
	"strings"
	"time"
)

// MailConfig is how the server sends mail.
type MailConfig struct {
	// Provider is none, smtp, mailersend, sendgrid, directory or log.
	Provider  string `mapstructure:"provider"`
	FromEmail string `mapstructure:"from_email"`
	FromName  string `mapstructure:"from_name"`
	// APIKey authenticates at MailerSend or SendGrid.
	APIKey Secret `mapstructure:"api_key"`
	// APIURL replaces the provider's own address.
	APIURL string `mapstructure:"api_url"`
	// Directory receives a file for each mail when the provider is directory.
	Directory string        `mapstructure:"directory"`
	SMTP      SMTPConfig    `mapstructure:"smtp"`
	Timeout   time.Duration `mapstructure:"timeout"`
}

// SMTPConfig is the mail server of the provider smtp, and the one that is tried
// when MailerSend fails.
type SMTPConfig struct {
	Host     string `mapstructure:"host"`
	Port     int    `mapstructure:"port"`
	Username string `mapstructure:"username"`
	Password Secret `mapstructure:"password"`
	// Security is starttls, tls or none.
	Security string `mapstructure:"security"`
}

// ResetConfig is the resetting of forgotten passwords.
type ResetConfig struct {
	// PerHour is how many resets may be asked for under one name in an hour.
	PerHour int `mapstructure:"per_hour"`
	// FrontendURL starts the link in the mail.
	FrontendURL string `mapstructure:"frontend_url"`
}

func defaultMail() MailConfig {
	return MailConfig{
		Provider: "none", FromName: "DeFarm", Timeout: 30 * time.Second,
		SMTP: SMTPConfig{Port: 587, Security: "starttls"},
	}
}

func (m *MailConfig) check(k *checker) {
	oneOf(k, "mail.provider", m.Provider, "none", "smtp", "mailersend", "sendgrid", "directory", "log")
	oneOf(k, "mail.smtp.security", m.SMTP.Security, "starttls", "tls", "none")
	between(k, "mail.smtp.port", m.SMTP.Port, 1, 65535)
	between(k, "mail.timeout", m.Timeout, time.Second, 10*time.Minute)
	if m.FromEmail != "" {
		if a, err := mail.ParseAddress(m.FromEmail); err != nil || a.Address != m.FromEmail {
			k.add("mail.from_email", "must be a mail address without a name")
		}
	}
	switch m.Provider {
	case "smtp", "mailersend", "sendgrid":
		if m.FromEmail == "" {
			k.add("mail.from_email", "is needed to send mail")
		}
	case "directory":
		if m.Directory == "" {
			k.add("mail.directory", "must name a directory when mail.provider is directory")
		}
	}
	if m.Provider == "smtp" && m.SMTP.Host == "" {
		k.add("mail.smtp.host", "is needed when mail.provider is smtp")
	}
	if (m.Provider == "mailersend" || m.Provider == "sendgrid") && m.APIKey == "" {
		k.add("mail.api_key", "is needed when mail.provider is %s", m.Provider)
	}
	if m.APIURL != "" && !isHTTPURL(m.APIURL) {
		k.add("mail.api_url", "must be an http or https URL")
	}
}

func (r *ResetConfig) check(k *checker) {
	between(k, "auth.password_reset.per_hour", r.PerHour, 1, 1000)
	if r.FrontendURL != "" && (!isHTTPURL(r.FrontendURL) || strings.Contains(r.FrontendURL, "?")) {
		k.add("auth.password_reset.frontend_url", "must be an http or https URL without a query")
	}
}

func isHTTPURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}
