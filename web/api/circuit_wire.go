package api

import (
	"encoding/json"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// secretMask stands for a stored secret in answers (design §2.24).
const secretMask = circuits.PasswordMask

type circuitJSON struct {
	CircuitID       string                 `json:"circuit_id"`
	Name            string                 `json:"name"`
	Description     string                 `json:"description"`
	OwnerID         string                 `json:"owner_id"`
	Created         int64                  `json:"created_timestamp" doc:"Unix seconds"`
	Modified        int64                  `json:"last_modified" doc:"Unix seconds"`
	Members         []circuitMemberJSON    `json:"members"`
	Permissions     app.CircuitPermissions `json:"permissions"`
	Status          string                 `json:"status"`
	PendingRequests []joinRequestJSON      `json:"pending_requests"`
	CustomRoles     []customRoleJSON       `json:"custom_roles"`
	Public          *publicSettingsJSON    `json:"public_settings"`
}

type circuitMemberJSON struct {
	MemberID    string           `json:"member_id"`
	Role        string           `json:"role"`
	CustomRole  *string          `json:"custom_role_name"`
	Permissions []app.Permission `json:"permissions"`
	Joined      int64            `json:"joined_timestamp"`
}

type joinRequestJSON struct {
	RequesterID string  `json:"requester_id"`
	RequestedAt int64   `json:"requested_at"`
	Message     *string `json:"message"`
	Status      string  `json:"status"`
}

type customRoleJSON struct {
	RoleID      string           `json:"role_id"`
	RoleName    string           `json:"role_name"`
	Permissions []app.Permission `json:"permissions"`
	Description string           `json:"description"`
	Color       *string          `json:"color"`
	MemberCount int              `json:"member_count"`
	Created     int64            `json:"created_timestamp"`
	CreatedBy   string           `json:"created_by"`
	IsDefault   bool             `json:"is_default"`
}

type publicSettingsJSON struct {
	AccessMode        string   `json:"access_mode"`
	ScheduledDate     *string  `json:"scheduled_date"`
	AccessPassword    *string  `json:"access_password" doc:"Masked; null when there is none or it is not yours to know"`
	PublicName        *string  `json:"public_name"`
	PublicDescription *string  `json:"public_description"`
	PrimaryColor      *string  `json:"primary_color"`
	SecondaryColor    *string  `json:"secondary_color"`
	LogoURL           *string  `json:"logo_url"`
	Tagline           *string  `json:"tagline"`
	FooterText        *string  `json:"footer_text"`
	PublishedItems    []string `json:"published_items"`
	AutoApprove       bool     `json:"auto_approve_members"`
	AutoPublish       bool     `json:"auto_publish_pushed_items"`
	ShowEncrypted     bool     `json:"show_encrypted_events"`
	RequiredEvents    *string  `json:"required_event_types"`
	QualityRules      *string  `json:"data_quality_rules"`
	ExportPermissions *string  `json:"export_permissions"`
	PublicSince       *string  `json:"public_since"`
}

// circuitFrom shows a circuit as its viewer may see it (contract 03 S1): others
// than members see neither the members nor the roles.
func circuitFrom(v circuits.View) circuitJSON {
	out := circuitJSON{
		CircuitID: v.ID.String(), Name: v.Name, Description: v.Description, OwnerID: v.OwnerID,
		Created: v.CreatedAt.Unix(), Modified: v.ModifiedAt.Unix(), Permissions: v.Permissions, Status: string(v.Status),
		Members: []circuitMemberJSON{}, PendingRequests: []joinRequestJSON{}, CustomRoles: []customRoleJSON{},
		Public: publicSettingsFrom(v),
	}
	if !v.Member {
		for _, j := range v.Own {
			out.PendingRequests = append(out.PendingRequests, joinRequestFrom(j))
		}
		return out
	}
	for _, m := range v.Members {
		out.Members = append(out.Members, circuitMemberJSON{
			MemberID: m.UserID, Role: string(m.Role), CustomRole: textOrNull(m.CustomRole),
			Permissions: m.Permissions, Joined: m.JoinedAt.Unix(),
		})
	}
	for _, j := range v.Requests {
		out.PendingRequests = append(out.PendingRequests, joinRequestFrom(j))
	}
	for _, r := range v.VisibleRoles() {
		out.CustomRoles = append(out.CustomRoles, customRoleFrom(r))
	}
	return out
}

func customRoleFrom(r circuits.Role) customRoleJSON {
	return customRoleJSON{
		RoleID: r.ID.String(), RoleName: r.Name, Permissions: r.Permissions, Description: r.Description,
		Color: textOrNull(r.Color), MemberCount: r.Members, Created: r.CreatedAt.Unix(),
		CreatedBy: r.CreatedBy, IsDefault: r.IsDefault,
	}
}

func joinRequestFrom(j app.JoinRequest) joinRequestJSON {
	return joinRequestJSON{
		RequesterID: j.RequesterID, RequestedAt: j.RequestedAt.Unix(), Message: textOrNull(j.Message), Status: string(j.Status),
	}
}

func publicSettingsFrom(v circuits.View) *publicSettingsJSON {
	p := v.Public
	if p == nil {
		return nil
	}
	out := &publicSettingsJSON{
		AccessMode: string(p.AccessMode), PublicName: p.PublicName, PublicDescription: p.PublicDescription,
		PrimaryColor: p.PrimaryColor, SecondaryColor: p.SecondaryColor, LogoURL: p.LogoURL, Tagline: p.Tagline,
		FooterText: p.FooterText, PublishedItems: []string{}, AutoApprove: p.AutoApprove, AutoPublish: p.AutoPublish,
		ShowEncrypted: p.ShowEncrypted, RequiredEvents: p.RequiredEvents, QualityRules: p.QualityRules,
		ExportPermissions: p.ExportPermissions,
	}
	if v.ShowPublished && len(v.Published) > 0 {
		out.PublishedItems = v.Published
	}
	if v.Manager && p.PasswordHash != "" {
		out.AccessPassword = textOrNull(secretMask)
	}
	if p.ScheduledDate != nil {
		out.ScheduledDate = textOrNull(app.FormatZ(*p.ScheduledDate))
	}
	if p.PublicSince != nil {
		out.PublicSince = textOrNull(app.FormatZ(*p.PublicSince))
	}
	return out
}

// textOrNull writes the empty string as null.
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type circuitItemJSON struct {
	DFID        string       `json:"dfid"`
	CircuitID   string       `json:"circuit_id"`
	CircuitName string       `json:"circuit_name"`
	PushedBy    string       `json:"pushed_by"`
	PushedAt    int64        `json:"pushed_at" doc:"Unix seconds"`
	Permissions []string     `json:"permissions"`
	Events      *[]eventJSON `json:"events,omitempty" doc:"Only with include_events=true; newest first"`
}

// eventJSON is an event as circuits embed it (contract 03 §7.8).
type eventJSON struct {
	EventID         string                     `json:"event_id"`
	DFID            string                     `json:"dfid"`
	Type            string                     `json:"event_type"`
	Timestamp       string                     `json:"timestamp"`
	Source          string                     `json:"source"`
	Metadata        map[string]json.RawMessage `json:"metadata"`
	Encrypted       bool                       `json:"is_encrypted"`
	Visibility      string                     `json:"visibility"`
	ContentHash     string                     `json:"content_hash"`
	Local           bool                       `json:"is_local"`
	LocalEventID    *string                    `json:"local_event_id,omitempty"`
	PushedToCircuit *string                    `json:"pushed_to_circuit,omitempty"`
}

func circuitItemFrom(v circuits.View, it circuits.Item, events bool) circuitItemJSON {
	out := circuitItemJSON{
		DFID: it.DFID, CircuitID: v.ID.String(), CircuitName: v.Name, PushedBy: it.PushedBy,
		PushedAt: it.PushedAt.Unix(), Permissions: it.Permissions,
	}
	if !v.Member {
		out.PushedBy = "" // who is in a circuit is not for the public to know
	}
	if events {
		list := make([]eventJSON, len(it.Events))
		for i, e := range it.Events {
			list[i] = eventFrom(e)
		}
		out.Events = &list
	}
	return out
}

func eventFrom(e *app.Event) eventJSON {
	out := eventJSON{
		EventID: e.ID.String(), DFID: e.DFID, Type: string(e.Type), Timestamp: app.FormatZ(e.At.Truncate(time.Second)),
		Source: e.Source, Metadata: e.Metadata, Encrypted: e.Encrypted, Visibility: string(e.Visibility),
		ContentHash: e.ContentHash, Local: e.Local,
	}
	if e.LocalEventID != nil {
		out.LocalEventID = textOrNull(e.LocalEventID.String())
	}
	if e.PushedToCircuit != nil {
		out.PushedToCircuit = textOrNull(e.PushedToCircuit.String())
	}
	return out
}
