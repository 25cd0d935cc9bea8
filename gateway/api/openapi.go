package api

import (
	_ "embed" // for the document
	"net/http"

	"partyline/events"
)

// openAPI describes the REST API. It is kept by hand; a test compares it with
// the router and with real answers.
//
//go:embed openapi.json
var openAPI []byte

// getOpenAPI answers GET /api/v1/openapi.json.
func (a *api) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	newFile("openapi.json", openAPI).serve(w, r)
	return nil
}

// getCloseCodes answers GET /api/v1/close-codes.
func (a *api) getCloseCodes(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, struct {
		CloseCodes []events.CloseCode `json:"close_codes"`
	}{events.CloseCodes()})
}
