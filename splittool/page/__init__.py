"""One HTML page that shows reports and decides; Bokeh is an extra, and nothing else imports it."""
