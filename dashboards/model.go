package dashboards

// Dashboard is Grafana's dashboard JSON, as far as it is used here.
type Dashboard struct {
	UID           string      `json:"uid"`
	Title         string      `json:"title"`
	Description   string      `json:"description"`
	Tags          []string    `json:"tags"`
	SchemaVersion int         `json:"schemaVersion"`
	Editable      bool        `json:"editable"`
	GraphTooltip  int         `json:"graphTooltip"` // 1 is a shared crosshair
	Refresh       string      `json:"refresh"`
	Time          TimeRange   `json:"time"`
	Templating    Templating  `json:"templating"`
	Annotations   Annotations `json:"annotations"`
	Links         []Link      `json:"links"`
	Panels        []Panel     `json:"panels"`
}

// TimeRange is what a dashboard shows when it is opened.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Templating holds a dashboard's variables.
type Templating struct {
	List []Variable `json:"list"`
}

// Annotations holds a dashboard's annotations; there are none.
type Annotations struct {
	List []struct{} `json:"list"`
}

// Link leads from a dashboard to others, or to an address.
type Link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"` // dashboards or link
	Icon        string   `json:"icon,omitempty"`
	Tooltip     string   `json:"tooltip,omitempty"`
	URL         string   `json:"url,omitempty"`
	TargetBlank bool     `json:"targetBlank,omitempty"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	KeepTime    bool     `json:"keepTime"`
	IncludeVars bool     `json:"includeVars"`
}

// Source names a data source by its type and its UID, or a variable.
type Source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Variable is a choice at the top of a dashboard.
type Variable struct {
	Name       string        `json:"name"`
	Label      string        `json:"label"`
	Type       string        `json:"type"` // datasource, query or textbox
	Query      any           `json:"query"`
	Definition string        `json:"definition,omitempty"`
	Datasource *Source       `json:"datasource,omitempty"`
	Current    VariableValue `json:"current"`
	Hide       int           `json:"hide"` // 2 is not shown
	Refresh    int           `json:"refresh,omitempty"`
	Sort       int           `json:"sort,omitempty"`
	Multi      bool          `json:"multi"`
	IncludeAll bool          `json:"includeAll"`
	AllValue   string        `json:"allValue,omitempty"`
}

// VariableValue is what is chosen.
type VariableValue struct {
	Text  any `json:"text"`
	Value any `json:"value"`
}

// Panel is one panel, or a row's heading.
type Panel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description,omitempty"`
	GridPos         GridPos          `json:"gridPos"`
	Datasource      *Source          `json:"datasource,omitempty"`
	Targets         []Target         `json:"targets,omitempty"`
	FieldConfig     *FieldConfig     `json:"fieldConfig,omitempty"`
	Options         map[string]any   `json:"options,omitempty"`
	Transformations []Transformation `json:"transformations,omitempty"`
	Collapsed       *bool            `json:"collapsed,omitempty"`
	// Panels is empty but there on rows: Grafana wants it.
	Panels *[]Panel `json:"panels,omitempty"`
}

// GridPos is where a panel stands, on a grid of 24 columns.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Target is one query of a panel.
type Target struct {
	RefID        string  `json:"refId"`
	Datasource   *Source `json:"datasource"`
	Expr         string  `json:"expr,omitempty"`
	LegendFormat string  `json:"legendFormat,omitempty"`
	QueryType    string  `json:"queryType,omitempty"`
	Format       string  `json:"format,omitempty"`
	Instant      bool    `json:"instant,omitempty"`
	Range        bool    `json:"range,omitempty"`
	Exemplar     bool    `json:"exemplar,omitempty"`
	MaxLines     int     `json:"maxLines,omitempty"`
}

// FieldConfig says how values are shown.
type FieldConfig struct {
	Defaults  FieldDefaults `json:"defaults"`
	Overrides []Override    `json:"overrides"`
}

// FieldDefaults are for all fields of a panel.
type FieldDefaults struct {
	Unit       string         `json:"unit,omitempty"`
	Min        *float64       `json:"min,omitempty"`
	Max        *float64       `json:"max,omitempty"`
	NoValue    string         `json:"noValue,omitempty"`
	Color      map[string]any `json:"color,omitempty"`
	Custom     map[string]any `json:"custom,omitempty"`
	Thresholds *Thresholds    `json:"thresholds,omitempty"`
}

// Thresholds colour a value by its size.
type Thresholds struct {
	Mode  string      `json:"mode"`
	Steps []Threshold `json:"steps"`
}

// Threshold is the colour from a value on; the first has none.
type Threshold struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Override changes how one field is shown.
type Override struct {
	Matcher    Matcher    `json:"matcher"`
	Properties []Property `json:"properties"`
}

// Matcher names a field.
type Matcher struct {
	ID      string `json:"id"`
	Options string `json:"options"`
}

// Property is what an override changes.
type Property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}

// DataLink leads from a value to an address.
type DataLink struct {
	Title       string `json:"title"`
	URL         string `json:"url"`
	TargetBlank bool   `json:"targetBlank"`
}

// Transformation changes an answer before it is shown.
type Transformation struct {
	ID      string         `json:"id"`
	Options map[string]any `json:"options"`
}
