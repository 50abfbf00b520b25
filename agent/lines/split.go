package lines

import "go.opentelemetry.io/collector/pdata/plog"

// splitter moves the records of one resource into one resource per service,
// and keeps their order and scopes.
type splitter struct {
	out       plog.Logs
	from      plog.ResourceLogs
	current   plog.ScopeLogs
	resources map[string]plog.ResourceLogs
	scopes    map[string]plog.LogRecordSlice // of the current scope
}

// scope begins a scope; records are asked for after it.
func (s *splitter) scope(sl plog.ScopeLogs) {
	s.current = sl
	s.scopes = nil
}

// records returns where records of a service go; "" leaves the resource as it
// is.
func (s *splitter) records(service string) plog.LogRecordSlice {
	if records, ok := s.scopes[service]; ok {
		return records
	}
	rl, ok := s.resources[service]
	if !ok {
		rl = s.out.ResourceLogs().AppendEmpty()
		s.from.Resource().CopyTo(rl.Resource())
		rl.SetSchemaUrl(s.from.SchemaUrl())
		if service != "" {
			rl.Resource().Attributes().PutStr(serviceKey, service)
		}
		if s.resources == nil {
			s.resources = map[string]plog.ResourceLogs{}
		}
		s.resources[service] = rl
	}
	sl := rl.ScopeLogs().AppendEmpty()
	s.current.Scope().CopyTo(sl.Scope())
	sl.SetSchemaUrl(s.current.SchemaUrl())
	if s.scopes == nil {
		s.scopes = map[string]plog.LogRecordSlice{}
	}
	s.scopes[service] = sl.LogRecords()
	return sl.LogRecords()
}
