package server

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/defarm-repo/defarm/web/outbound/mail"
)

// open starts the sender that the configuration describes.
func (m *MailConfig) open(log *slog.Logger, metrics prometheus.Registerer) (*mail.Sender, error) {
	o := m.options()
	o.Logger, o.Metrics = log, metrics
	return mail.New(o)
}

func (m *MailConfig) options() mail.Options {
	return mail.Options{
		Provider: m.Provider, FromEmail: m.FromEmail, FromName: m.FromName,
		APIKey: string(m.APIKey), APIURL: m.APIURL, Directory: m.Directory, Timeout: m.Timeout,
		SMTP: mail.SMTP{
			Host: m.SMTP.Host, Port: m.SMTP.Port, Username: m.SMTP.Username,
			Password: string(m.SMTP.Password), Security: m.SMTP.Security,
		},
	}
}
