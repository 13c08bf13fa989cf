package api

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/defarm-repo/defarm/app"
)

type updateKeyInput struct {
	KeyPath
	Body struct {
		Name        *string             `json:"name,omitempty" doc:"At most 256 characters"`
		Permissions *keyPermissionsJSON `json:"permissions,omitempty" doc:"Replaces all of them"`
		Active      *bool               `json:"is_active,omitempty"`
		RateLimit   *int64              `json:"rate_limit_per_hour,omitempty" doc:"1 to 1,000,000"`
		Notes       *string             `json:"notes,omitempty" doc:"At most 4,096 bytes"`
	}
}

func (in *updateKeyInput) toApp() app.APIKeyPatch {
	b := &in.Body
	return app.APIKeyPatch{
		Name: b.Name, Permissions: b.Permissions.toApp(), Active: b.Active, RateLimitPerHour: b.RateLimit, Notes: b.Notes,
	}
}

func (h apiKeyHandlers) update(ctx context.Context, in *updateKeyInput) (*reply[keyJSON], error) {
	id, err := in.keyID()
	if err != nil {
		return nil, err
	}
	k, err := h.svc.UpdateKey(ctx, actor(ctx), id, in.toApp())
	if err != nil {
		return nil, err
	}
	return respond(keyFrom(k), nil)
}

func (h apiKeyHandlers) revoke(ctx context.Context, in *KeyPath) (*reply[keyJSON], error) {
	id, err := in.keyID()
	if err != nil {
		return nil, err
	}
	k, err := h.svc.RevokeKey(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	return respond(keyFrom(k), nil)
}

func (h apiKeyHandlers) remove(ctx context.Context, in *KeyPath) (*struct{}, error) {
	id, err := in.keyID()
	if err != nil {
		return nil, err
	}
	return nil, h.svc.DeleteKey(ctx, actor(ctx), id)
}

type keyUsageInput struct {
	KeyPath
	Days uint32 `query:"days" default:"7" doc:"1 to 365; whole hours of UTC are counted."`
}

type keyUsageJSON struct {
	Total       safeInt      `json:"total_requests"`
	Successful  safeInt      `json:"successful_requests" doc:"Answered with a status below 400"`
	Failed      safeInt      `json:"failed_requests"`
	AverageTime float64      `json:"avg_response_time_ms"`
	LastUsedAt  *string      `json:"last_used_at" format:"date-time"`
	Days        []keyDayJSON `json:"daily_usage" doc:"Days of UTC with requests, oldest first"`
}

type keyDayJSON struct {
	Date     string  `json:"date" format:"date"`
	Requests safeInt `json:"requests"`
	Errors   safeInt `json:"errors"`
}

func keyUsageFrom(s app.APIKeyStatistics) keyUsageJSON {
	out := keyUsageJSON{
		Total: safeInt(s.Requests), Successful: safeInt(s.Requests - s.Errors), Failed: safeInt(s.Errors),
		Days: make([]keyDayJSON, len(s.Days)),
	}
	if s.Requests > 0 {
		out.AverageTime = float64(s.Duration) / float64(time.Millisecond) / float64(s.Requests)
	}
	if !s.LastAt.IsZero() {
		at := app.FormatOffset(s.LastAt)
		out.LastUsedAt = &at
	}
	for i, d := range s.Days {
		out.Days[i] = keyDayJSON{Date: d.Date, Requests: safeInt(d.Requests), Errors: safeInt(d.Errors)}
	}
	return out
}

func (h apiKeyHandlers) usage(ctx context.Context, in *keyUsageInput) (*reply[keyUsageJSON], error) {
	id, err := in.keyID()
	if err != nil {
		return nil, err
	}
	stats, err := h.svc.KeyUsage(ctx, actor(ctx), id, int(min(in.Days, math.MaxInt32)))
	if err != nil {
		return nil, err
	}
	return respond(keyUsageFrom(stats), nil)
}

// safeInt is a number that JavaScript reads exactly: beyond 2^53 − 1 it is
// written as a text (contract 01 §5.12).
type safeInt int64

const maxSafeInt = 1<<53 - 1

// Schema documents both forms.
func (safeInt) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "A number; beyond 2^53 − 1 its digits as a text.",
		OneOf:       []*huma.Schema{{Type: huma.TypeInteger, Format: "int64"}, {Type: huma.TypeString}},
	}
}

// MarshalJSON implements json.Marshaler.
func (n safeInt) MarshalJSON() ([]byte, error) {
	if n > maxSafeInt || n < -maxSafeInt {
		return json.Marshal(strconv.FormatInt(int64(n), 10))
	}
	return json.Marshal(int64(n))
}
