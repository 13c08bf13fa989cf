package circuits

import (
	"context"
	"strings"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/password"
)

// PublicInput is a circuit's public face as a client gives it (contract 03
// §4.1). Nil members are absent.
type PublicInput struct {
	AccessMode        *string // default "public"
	ScheduledDate     *string // RFC 3339
	AccessPassword    *string
	PublicName        *string
	PublicDescription *string
	PrimaryColor      *string
	SecondaryColor    *string
	LogoURL           *string
	Tagline           *string
	FooterText        *string
	PublishedItems    []string
	AutoApprove       bool
	AutoPublish       bool
	ShowEncrypted     bool
	RequiredEvents    *string
	QualityRules      *string
	ExportPermissions *string
}

// publicSettings validates the input in the contract's order and hashes the
// password. Errors are 422 with the contract's details.
func (s *Service) publicSettings(ctx context.Context, in PublicInput) (*app.PublicSettings, error) {
	out := &app.PublicSettings{
		PublicName: in.PublicName, PublicDescription: in.PublicDescription, PrimaryColor: in.PrimaryColor,
		SecondaryColor: in.SecondaryColor, LogoURL: in.LogoURL, Tagline: in.Tagline, FooterText: in.FooterText,
		AutoApprove: in.AutoApprove, AutoPublish: in.AutoPublish, ShowEncrypted: in.ShowEncrypted,
		RequiredEvents: in.RequiredEvents, QualityRules: in.QualityRules,
	}
	var err error
	if out.AccessMode, err = accessMode(in.AccessMode); err != nil {
		return nil, err
	}
	if out.ScheduledDate, err = scheduledDate(out.AccessMode, in.ScheduledDate); err != nil {
		return nil, err
	}
	if out.AccessMode == app.AccessProtected && in.AccessPassword == nil {
		return nil, publicError("Password is required when access_mode is 'protected'", map[string]any{
			"field": "access_password", "required": true,
			"issue": "access_password must be provided when access_mode is 'protected'",
		})
	}
	if out.ExportPermissions, err = exportPermissions(in.ExportPermissions); err != nil {
		return nil, err
	}
	if len(in.PublishedItems) > 0 {
		return nil, publicError("Published items must be items of the circuit", map[string]any{
			"field": "published_items", "issue": "a new circuit holds no items; push them first, then publish them",
		})
	}
	if in.AccessPassword != nil && *in.AccessPassword != "" {
		if len(*in.AccessPassword) > password.MaxBytes {
			return nil, publicError("Password is too long", map[string]any{
				"field": "access_password", "issue": "access_password must have at most 72 bytes",
			})
		}
		if out.PasswordHash, err = s.passwords.Hash(ctx, *in.AccessPassword); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func accessMode(in *string) (app.AccessMode, error) {
	if in == nil {
		return app.AccessPublic, nil
	}
	switch strings.ToLower(*in) {
	case "public", "open":
		return app.AccessPublic, nil
	case "protected":
		return app.AccessProtected, nil
	case "scheduled":
		return app.AccessScheduled, nil
	}
	return "", publicError("Invalid access mode", map[string]any{
		"field": "access_mode", "provided_value": *in,
		"allowed_values": []string{"public", "protected", "scheduled", "open"},
		"issue":          "access_mode must be one of: public, protected, scheduled",
	})
}

func scheduledDate(mode app.AccessMode, in *string) (*time.Time, error) {
	if in == nil {
		if mode != app.AccessScheduled {
			return nil, nil //nolint:nilnil // no date is a value here
		}
		return nil, publicError("Scheduled date is required when access_mode is 'scheduled'", map[string]any{
			"field": "scheduled_date", "required": true,
			"issue": "scheduled_date must be provided when access_mode is 'scheduled'",
		})
	}
	at, err := time.Parse(time.RFC3339Nano, *in)
	if err != nil {
		return nil, publicError("Invalid scheduled date format", map[string]any{
			"field": "scheduled_date", "provided_value": *in,
			"expected_format": "RFC3339 (e.g., '2025-01-01T00:00:00Z')",
			"issue":           "Failed to parse date: not an RFC 3339 date with an offset",
		})
	}
	at = at.UTC()
	return &at, nil
}

func exportPermissions(in *string) (*string, error) {
	if in == nil {
		return nil, nil //nolint:nilnil // no level is a value here
	}
	for _, level := range []string{"Admin", "Members", "Public"} {
		if strings.EqualFold(level, *in) {
			return &level, nil
		}
	}
	return nil, publicError("Invalid export permission level", map[string]any{
		"field": "export_permissions", "provided_value": *in,
		"allowed_values": []string{"admin", "members", "public"},
		"issue":          "export_permissions must be one of: admin, members, public",
	})
}

// publicError is the contract's shape for public settings: "error" is a code,
// the text stands under "message".
func publicError(message string, details map[string]any) error {
	return app.NewError(app.CodeUnprocessable, app.ReasonPublicSettings, "validation_error").
		With("message", message).With("details", details)
}
