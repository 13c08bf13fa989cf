package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"text/tabwriter"
	"time"
)

// PrintConfig writes the effective configuration, one key a line with where
// its value came from. Secrets are masked.
func PrintConfig(w io.Writer, l *Loaded) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	c := l.Config
	for _, s := range c.settings() {
		fmt.Fprintf(t, "%s\t%v\t(%s)\n", s.key, s.value.Interface(), l.Origin[s.key])
	}
	for _, warning := range l.Warnings {
		fmt.Fprintf(t, "warning: %s\n", warning)
	}
	return t.Flush()
}

// healthPatience bounds a health check.
const healthPatience = 5 * time.Second

// Healthcheck asks the server at url whether it is ready, and writes its
// answer. The error is nil when it is.
func Healthcheck(ctx context.Context, w io.Writer, url string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	res, err := new(http.Client).Do(req)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if _, err := io.Copy(w, io.LimitReader(res.Body, 4<<10)); err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("health check: %s answered %s", url, res.Status)
	}
	return nil
}

// LocalURL is where a server with this configuration answers on this machine.
func (c *Config) LocalURL() (string, error) {
	addr, err := net.ResolveTCPAddr("tcp", c.Server.Listen)
	if err != nil {
		return "", fmt.Errorf("server.listen: %w", err)
	}
	return "http://" + reachable(addr) + c.Server.BasePath, nil
}
