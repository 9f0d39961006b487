"""What a dashboard is made of, as Grafana's JSON: panels that know their unit, why they are there and when they are red.

boards.py says what is on them, build.py writes them. Only the standard library: the shapes are few.
"""

from dataclasses import dataclass

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What a variable chooses; put into every expression that reads raw series.
CHOSEN = 'job=~"$job",instance=~"$instance"'
GREEN, YELLOW, RED = "green", "yellow", "red"
WIDTH = 24


@dataclass
class Panel:
    """One picture. `queries` are (expression, legend); `quiet` says why it may rightly have no data in health."""

    title: str
    about: str
    queries: list
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    # (from, colour), the first from None.
    steps: tuple = ()
    stacked: bool = False
    top: float | None = None
    decimals: int | None = None
    quiet: str = ""

    def json(self, number, x, y):
        defaults = {"unit": self.unit, "color": {"mode": "thresholds" if self.kind == "stat" else "palette-classic"}}
        if self.unit not in ("dtdurations",):
            defaults["min"] = 0
        if self.top is not None:
            defaults["max"] = self.top
        if self.decimals is not None:
            defaults["decimals"] = self.decimals
        steps = self.steps or ((None, GREEN),)
        defaults["thresholds"] = {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in steps]}
        options = {}
        if self.kind == "timeseries":
            lines = {"lineWidth": 1, "fillOpacity": 20 if self.stacked else 8, "showPoints": "never"}
            lines["stacking"] = {"mode": "normal" if self.stacked else "none"}
            lines["thresholdsStyle"] = {"mode": "dashed" if self.steps else "off"}
            defaults["custom"] = lines
            options = {
                "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        elif self.kind == "stat":
            options = {"graphMode": "area", "colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}}
        elif self.kind == "heatmap":
            defaults = {}
            options = {
                "calculate": False,
                "yAxis": {"unit": self.unit},
                "cellGap": 1,
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
                "tooltip": {"mode": "single", "yHistogram": True},
            }
        targets = []
        for letter, (expr, legend) in zip("ABCDEFGH", self.queries):
            target = {"refId": letter, "datasource": SOURCE, "expr": expr, "legendFormat": legend or "__auto"}
            if self.kind == "heatmap":
                target["format"] = "heatmap"
            if self.kind == "stat":
                target["instant"] = False
            targets.append(target)
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": options,
            "targets": targets,
        }


@dataclass
class Row:
    """A heading with panels below it, laid out from left to right."""

    title: str
    panels: list


@dataclass
class Board:
    """One dashboard."""

    name: str
    title: str
    about: str
    rows: list

    def json(self):
        panels, number, y = [], 0, 0
        for row in self.rows:
            number += 1
            shape = {"x": 0, "y": y, "w": WIDTH, "h": 1}
            panels.append({"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": shape, "panels": []})
            y += 1
            x, tall = 0, 0
            for panel in row.panels:
                if x + panel.width > WIDTH:
                    x, y, tall = 0, y + tall, 0
                number += 1
                panels.append(panel.json(number, x, y))
                x, tall = x + panel.width, max(tall, panel.height)
            y += tall
        return {
            "uid": f"chatify-{self.name}",
            "title": f"chatify: {self.title}",
            "description": self.about,
            "tags": ["chatify"],
            "schemaVersion": 39,
            "editable": False,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "utc",
            "graphTooltip": 1,
            "links": [{"type": "dashboards", "title": "chatify", "tags": ["chatify"], "asDropdown": True, "includeVars": True, "keepTime": True}],
            "annotations": {"list": [ALERTS]},
            "templating": {"list": VARIABLES},
            "panels": panels,
        }


ALERTS = {
    "name": "Alerts that fire",
    "datasource": SOURCE,
    "enable": True,
    "iconColor": RED,
    "expr": 'ALERTS{alertname=~"Chatify.*",alertstate="firing",severity="page"}',
    "titleFormat": "{{alertname}}",
    "textFormat": "{{instance}}",
}


def choice(name, label, query):
    """A variable that Grafana fills from the labels of what is scraped; all is the default."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


VARIABLES = [
    {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}, "refresh": 1},
    choice("job", "Job", "label_values(chatify_build_info, job)"),
    choice("instance", "Instance", 'label_values(chatify_build_info{job=~"$job"}, instance)'),
]


def of(metric, more=""):
    """The series of a metric that the variables choose."""
    return f"{metric}{{{CHOSEN}{',' + more if more else ''}}}"


def rate(metric, by="", more=""):
    """A counter's pace, summed."""
    group = f" by ({by}) " if by else ""
    return f"sum{group}(rate({of(metric, more)}[$__rate_interval]))"


def total(metric, by=""):
    """A gauge, summed."""
    group = f" by ({by}) " if by else ""
    return f"sum{group}({of(metric)})"


def quantiles(metric, *shares, by=""):
    """Quantiles of a histogram as queries with their legends."""
    group = f"le, {by}" if by else "le"
    behind = f" {{{{{by}}}}}" if by else ""
    spread = f"sum by ({group}) (rate({of(metric + '_bucket')}[$__rate_interval]))"
    return [(f"histogram_quantile({share}, {spread})", f"p{share * 100:g}{behind}") for share in shares]


def heat(metric):
    """A histogram as a heatmap."""
    return [(f"sum by (le) (increase({of(metric + '_bucket')}[$__rate_interval]))", "{{le}}")]
