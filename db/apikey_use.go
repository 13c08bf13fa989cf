package db

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

const (
	apiKeyRow         = `SELECT row FROM api_keys WHERE id = ?`
	apiKeyAddRequests = `INSERT INTO api_key_uses
	(key_row, hour, method, endpoint, status, address, agent, requests, duration, last_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (key_row, hour, method, endpoint, status, address, agent) DO UPDATE SET
		requests = requests + excluded.requests, duration = duration + excluded.duration,
		last_at = CASE WHEN last_at > excluded.last_at THEN last_at ELSE excluded.last_at END`
	apiKeyDeleteRequests = `DELETE FROM api_key_uses WHERE hour < ?1 AND
	(key_row, hour, method, endpoint, status, address, agent) IN (
		SELECT key_row, hour, method, endpoint, status, address, agent FROM api_key_uses
		WHERE hour < ?1 ORDER BY hour LIMIT 1000)`
	// One row for each day; a day has 24 hours of the key.
	apiKeyStatistics = `SELECT hour / 24, SUM(requests), SUM(CASE WHEN status >= 400 THEN requests ELSE 0 END),
	SUM(duration), MAX(last_at) FROM api_key_uses
	WHERE key_row = (SELECT row FROM api_keys WHERE id = ?) AND hour >= ? AND last_at >= ?
	GROUP BY hour / 24 ORDER BY hour / 24`
)

// AddRequests implements app.APIKeyRows.
func (t apiKeys) AddRequests(r app.APIKeyRequests) error {
	var row int64
	switch err := t.s.row(apiKeyRow, r.KeyID.String()).Scan(&row); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("find api key: %w", err)
	}
	_, err := t.s.exec(apiKeyAddRequests, row, r.Hour, r.Method, r.Endpoint, r.Status, r.Address, r.Agent,
		r.Requests, int64(r.Duration), toUnix(r.LastAt))
	if err != nil {
		return fmt.Errorf("add api key requests: %w", err)
	}
	return nil
}

// DeleteRequestsBefore implements app.APIKeyRows.
func (t apiKeys) DeleteRequestsBefore(at time.Time) (int, error) {
	n, err := t.s.exec(apiKeyDeleteRequests, hourOf(at))
	if err != nil {
		return 0, fmt.Errorf("delete api key requests: %w", err)
	}
	return int(n), nil
}

// apiKeyDay is one day of statistics with what is summed over all days.
type apiKeyDay struct {
	app.APIKeyDay
	duration time.Duration
	last     time.Time
}

func scanAPIKeyDay(sc scanner) (apiKeyDay, error) {
	var (
		d                     apiKeyDay
		day, duration, lastAt int64
	)
	err := sc.Scan(&day, &d.Requests, &d.Errors, &duration, &lastAt)
	d.Date = time.Unix(day*24*3600, 0).UTC().Format(time.DateOnly)
	d.duration, d.last = time.Duration(duration), fromUnix(lastAt)
	return d, err
}

// Statistics implements app.APIKeyReads.
func (t apiKeys) Statistics(id uuid.UUID, from time.Time) (app.APIKeyStatistics, error) {
	var sum app.APIKeyStatistics
	days, err := collect(t.s, scanAPIKeyDay, apiKeyStatistics, id.String(), hourOf(from), toUnix(from))
	for _, d := range days {
		sum.Requests += d.Requests
		sum.Errors += d.Errors
		sum.Duration += d.duration
		if d.last.After(sum.LastAt) {
			sum.LastAt = d.last
		}
		sum.Days = append(sum.Days, d.APIKeyDay)
	}
	return sum, err
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }
