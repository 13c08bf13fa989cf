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
	PublishedItems    []string // DFIDs; nil keeps what is published
	AutoApprove       bool
	AutoPublish       bool
	ShowEncrypted     bool
	RequiredEvents    *string
	QualityRules      *string
	ExportPermissions *string
}

// maxPublished bounds the published items that one call may name.
const maxPublished = 10_000

// PasswordMask stands for a stored password in answers. Sent back, it means that
// the password is unchanged (design §2.24).
const PasswordMask = "********"

// password is the new password, if there is one.
func (in PublicInput) password() (pw string, given bool) {
	if in.AccessPassword == nil || *in.AccessPassword == PasswordMask {
		return "", false
	}
	return *in.AccessPassword, true
}

// keepsPassword reports whether a protected circuit without a new password has
// one that it can keep.
func keepsPassword(stored *app.PublicSettings) bool {
	return stored != nil && stored.AccessMode == app.AccessProtected && stored.PasswordHash != ""
}

// publicSettings validates the input in the contract's order; stored are the
// settings that it replaces, nil when there are none. Password and published
// items are left to the caller: see hashPassword. Errors are 422 with the
// contract's details.
func publicSettings(in PublicInput, stored *app.PublicSettings) (*app.PublicSettings, error) {
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
	pw, given := in.password()
	if out.AccessMode == app.AccessProtected && !given && !keepsPassword(stored) {
		return nil, errPasswordRequired()
	}
	if out.ExportPermissions, err = exportPermissions(in.ExportPermissions); err != nil {
		return nil, err
	}
	if len(in.PublishedItems) > maxPublished {
		return nil, publicError("Too many published items", map[string]any{
			"field": "published_items", "issue": "published_items must have at most 10000 elements",
		})
	}
	return out, checkPassword(pw)
}

func errPasswordRequired() error {
	return publicError("Password is required when access_mode is 'protected'", map[string]any{
		"field": "access_password", "required": true,
		"issue": "access_password must be provided when access_mode is 'protected'",
	})
}

// checkPassword refuses what bcrypt would confuse with other passwords.
func checkPassword(pw string) error {
	if len(pw) > password.MaxBytes {
		return publicError("Password is too long", map[string]any{
			"field": "access_password", "issue": "access_password must have at most 72 bytes",
		})
	}
	if strings.ContainsRune(pw, 0) {
		return publicError("Password is not valid text", map[string]any{
			"field": "access_password", "issue": "access_password must not contain U+0000",
		})
	}
	return nil
}

// hashPassword hashes the new password; "" when there is none. It waits for a
// worker, so it must not be called in a write. CodeBusy.
func (s *Service) hashPassword(ctx context.Context, in PublicInput) (string, error) {
	pw, _ := in.password()
	if pw == "" {
		return "", nil
	}
	return s.passwords.Hash(ctx, pw)
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
