package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/defarm-repo/defarm/app"
)

// directory writes each mail into a file of its own, as mail programs read them.
type directory struct {
	o      *Options
	serial atomic.Int64
}

func newDirectory(o *Options) (*directory, error) {
	if err := os.MkdirAll(o.Directory, 0o700); err != nil {
		return nil, fmt.Errorf("mail directory: %w", err)
	}
	return &directory{o: o}, nil
}

// deliver writes the file under another name first, so that whoever watches the
// directory finds whole mails only.
func (d *directory) deliver(_ context.Context, m app.Mail) error {
	msg, err := d.o.message(m)
	if err != nil {
		return final(err)
	}
	f, err := os.CreateTemp(d.o.Directory, ".mail-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write mail: %w", err)
	}
	_, err = msg.WriteTo(f)
	err = errors.Join(err, f.Close())
	if err == nil {
		name := fmt.Sprintf("%s-%06d.eml", d.o.Now().UTC().Format("20060102T150405.000000000"), d.serial.Add(1))
		err = os.Rename(f.Name(), filepath.Join(d.o.Directory, name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write mail: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// logProvider shows mails in the log. It is for development: who reads the log
// can use what the mail holds.
type logProvider struct{ log *slog.Logger }

func (p *logProvider) deliver(_ context.Context, m app.Mail) error {
	p.log.Info("mail", slog.String("to", m.To), slog.String("subject", m.Subject), slog.String("text", m.Text))
	return nil
}
