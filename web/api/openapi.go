package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// Names of the security schemes in the document.
const (
	schemeToken = "token"
	schemeKey   = "apiKey"
)

const apiTitle = "DeFarm Engines"

const apiText = `Traceability for agricultural products: items (an animal, a lot, a bag) with their identifiers and events,
circuits of parties that share them under permissions, and evidence about them that anybody can check.

**Credentials.** Log in with ` + "`POST /api/auth/login`" + ` and send the token as ` + "`Authorization: Bearer <token>`" + `, or create
an API key and send it as ` + "`X-API-Key: dfm_…`" + ` (or as the bearer token). A key acts as its owner, within its flags:
*read* for GET, *write* for every other method, *admin* for ` + "`/api/admin`" + `.

**Errors** have the body ` + "`{\"error\":\"…\"}`" + `; failures of an API key have a stable code in ` + "`error`" + ` and the text in
` + "`message`" + `. A 503 means that nothing was done: wait for ` + "`Retry-After`" + ` seconds and repeat.

**Bodies** are JSON. Unknown fields are ignored, names are case-sensitive, and null means the same as leaving an optional
field out. **Lists** take ` + "`limit`" + ` (1,000 unless given, 10,000 at most) and ` + "`offset`" + `.`

// document returns the frame of the OpenAPI document; the operations follow
// with their registration.
func document(o Options) *huma.OpenAPI {
	server := o.BasePath
	if server == "" {
		server = "/"
	}
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: apiTitle, Version: o.Build.Version, Description: apiText},
		Servers: []*huma.Server{{URL: server}},
		Components: &huma.Components{
			Schemas: newRegistry(),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				schemeToken: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "Token of a login, valid for 24 hours."},
				schemeKey:   {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "API key, `dfm_` and 32 characters."},
			},
		},
	}
}

// operation describes a route to huma.
func (r *registrar) operation(rt *route) huma.Operation {
	return huma.Operation{
		OperationID:   operationID(rt.method, rt.path),
		Method:        rt.method,
		Path:          rt.path,
		Summary:       rt.summary,
		Description:   rt.description,
		Tags:          rt.tags,
		Hidden:        rt.hidden,
		DefaultStatus: rt.status,
		Metadata:      map[string]any{metaRoute: rt},
		Security:      security(rt),
		Responses:     r.errorResponses(rt),
		// The guard has read, bounded and checked the body when huma sees it.
		MaxBodyBytes:     -1,
		BodyReadTimeout:  -1,
		SkipValidateBody: true,
		Extensions:       map[string]any{"x-scope": rt.scope.String()},
	}
}

func security(rt *route) []map[string][]string {
	switch {
	case rt.scope == scopePublic:
		return []map[string][]string{}
	case rt.scope == scopeOptional || rt.scope == scopeWelcome:
		return []map[string][]string{{}, {schemeToken: {}}, {schemeKey: {}}}
	case rt.tokenOnly:
		return []map[string][]string{{schemeToken: {}}}
	default:
		return []map[string][]string{{schemeToken: {}}, {schemeKey: {}}}
	}
}

// errorResponses documents the errors that any operation of this kind can
// give. What is particular to it belongs in its description.
func (r *registrar) errorResponses(rt *route) map[string]*huma.Response {
	codes := []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable}
	switch rt.scope {
	case scopePublic:
	case scopeWelcome:
		codes = append(codes, http.StatusTooManyRequests)
	default:
		codes = append(codes, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
	}
	if rt.method != http.MethodGet && rt.method != http.MethodDelete {
		codes = append(codes, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity)
	}
	if paramName.MatchString(rt.path) {
		codes = append(codes, http.StatusNotFound)
	}
	out := make(map[string]*huma.Response, len(codes))
	for _, code := range codes {
		resp := &huma.Response{
			Description: http.StatusText(code),
			Content:     map[string]*huma.MediaType{contentJSON: {Schema: &huma.Schema{Ref: schemaPrefix + "Error"}}},
		}
		if code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests {
			resp.Headers = map[string]*huma.Param{
				"Retry-After": {Description: "Seconds to wait.", Schema: &huma.Schema{Type: huma.TypeInteger}},
			}
		}
		out[strconv.Itoa(code)] = resp
	}
	return out
}

// documents are the OpenAPI document in both spellings, each encoded when it is
// first asked for: that takes longer than everything else that a start does.
type documents struct {
	json func() ([]byte, error)
	yaml func() ([]byte, error)
}

func (d *documents) of(doc *huma.OpenAPI) {
	d.json = sync.OnceValues(func() ([]byte, error) { return json.Marshal(doc) })
	d.yaml = sync.OnceValues(doc.YAML)
}
