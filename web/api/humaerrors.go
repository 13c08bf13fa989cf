package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/defarm-repo/defarm/app"
)

// replaceErrors puts our errors in the place of huma's, which repeat the
// rejected values (a password, a whole body). It is a transformer, so that the
// package variable huma.NewError, which belongs to the whole process, stays as
// it is: whoever embeds this server in a test may use huma himself.
func replaceErrors(ctx huma.Context, _ string, v any) (any, error) {
	se, ok := v.(huma.StatusError)
	if !ok {
		return v, nil
	}
	x, ok := ctx.(*exchange)
	if !ok {
		return nil, errors.New("answer to a foreign context")
	}
	f, ok := se.(*failure)
	if !ok {
		f = failureOfHuma(x.rt, se)
	}
	x.failed = f
	return f, nil
}

// failureOfHuma words an error that huma found while it read the request. Only
// the place and the rule go into the answer.
func failureOfHuma(rt *route, se huma.StatusError) *failure {
	var model *huma.ErrorModel
	if !errors.As(error(se), &model) || len(model.Errors) == 0 {
		return &failure{status: se.GetStatus(), code: app.CodeInternal, message: http.StatusText(se.GetStatus()), cause: se}
	}
	e := model.Errors[0]
	text := safeDetail(e.Message)
	if where, ok := strings.CutPrefix(e.Location, "body"); ok {
		if strings.HasSuffix(e.Message, doesNotFit) {
			text = e.Message // from unmarshalJSON, place included
		} else if path := rt.shape.knownPath(strings.TrimPrefix(where, ".")); path != "" {
			text = path + ": " + text
		}
		return shapeFailure(text)
	}
	in, name, _ := strings.Cut(e.Location, ".")
	switch in {
	case "path":
		return badRequest(http.StatusBadRequest, app.ReasonBadPath, prefixURL+"`"+name+"`: "+text)
	case "query":
		return queryFailure(name + ": " + text)
	case "header", "cookie":
		return badRequest(http.StatusBadRequest, app.ReasonBadQuery, "Invalid "+in+" `"+name+"`: "+text)
	default:
		return badRequest(se.GetStatus(), app.ReasonShape, text)
	}
}
