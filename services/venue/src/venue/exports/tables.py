"""What each table holds: its columns and the statement that reads them, in one order, so that two exports can be compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from venue.exports.model import Table


@dataclass(frozen=True, slots=True)
class Layout:
    """`head` and the columns of `sql` are the same ones. $1: area prefix, $2: category or 0, $3: drill."""

    head: tuple[str, ...]
    sql: str


_OF = "v.area >= $1 AND v.area < $1 || ':' AND $2::smallint IN (0, v.category) AND v.drill_id = $3"

LAYOUTS: Final[Mapping[Table, Layout]] = {
    Table.VENUES: Layout(
        (
            "场所编号", "名称", "类别", "地区", "地址", "经营者", "负责人", "统一社会信用代码", "分区数", "有效码数", "核定人数",
            "状态", "关闭时间",
        ),
        f"""
        SELECT v.venue_id::text, v.name, c.name_zh, v.area, v.address, p.owner, p.responsible_person, p.licence,
               z.zones, z.codes, z.capacity, CASE WHEN v.closed_at IS NULL THEN '在册' ELSE '已关闭' END, v.closed_at
        FROM venues v JOIN venue_categories c USING (category)
        LEFT JOIN LATERAL (SELECT owner, responsible_person, licence FROM venue_particulars p
                           WHERE p.venue_id = v.venue_id ORDER BY ordinal DESC LIMIT 1) p ON true
        CROSS JOIN LATERAL (SELECT count(*) AS zones, count(code) AS codes, coalesce(sum(capacity), 0) AS capacity
                            FROM zones z WHERE z.venue_id = v.venue_id) z
        WHERE {_OF} ORDER BY v.area, v.venue_id
        """,
    ),
    Table.OBLIGATIONS: Layout(
        (
            "场所编号", "名称", "地区", "类别", "文书", "版本", "文号", "签发时间", "送达方式", "送达人", "见证人", "送达时间",
            "快递单号", "确认账号", "确认时间",
        ),
        f"""
        SELECT v.venue_id::text, v.name, v.area, c.name_zh,
               CASE t.kind WHEN 1 THEN '责任书' WHEN 2 THEN '告知书' ELSE '未签发' END,
               t.version, d.series || '〔' || d.year || '〕' || d.number || '号', d.issued_at,
               CASE s.method WHEN 1 THEN '当面' WHEN 2 THEN '应用内' WHEN 3 THEN '邮寄' WHEN 4 THEN '拒收留置' ELSE '未送达' END,
               s.served_by, s.witness, s.served_at, s.tracking_number, a.acknowledged_by, a.acknowledged_at
        FROM venues v JOIN venue_categories c USING (category)
        LEFT JOIN (obligations o JOIN obligation_template_versions t USING (template_id)
                   JOIN documents d ON d.document_id = o.obligation_id)
            ON o.venue_id = v.venue_id
        LEFT JOIN obligation_services s ON s.obligation_id = o.obligation_id AND s.ordinal = 1
        LEFT JOIN obligation_acknowledgements a ON a.obligation_id = o.obligation_id
        WHERE {_OF} AND v.closed_at IS NULL ORDER BY v.area, v.venue_id, t.kind, t.version, o.obligation_id
        """,
    ),
    Table.INSPECTIONS: Layout(
        (
            "检查编号", "对象", "对象名称", "地区", "类别", "检查时间", "上传时间", "结果", "不合格项", "检查人一", "检查人二",
            "复查措施",            "申诉结果",
        ),
        f"""
        SELECT v.inspection_id::text,
               CASE v.subject WHEN 1 THEN '场所' WHEN 2 THEN '卡口' WHEN 3 THEN '社区' ELSE '公共场所' END,
               v.subject_name, v.area, c.name_zh, v.inspected_at, v.recorded_at, CASE WHEN v.passed THEN '合格' ELSE '不合格' END,
               cardinality(array_positions(v.outcomes, 2::smallint)), v.first_inspector, v.second_inspector,
               v.reinspects::text,
               CASE WHEN EXISTS (SELECT FROM ladder_facts f WHERE f.measure_id = v.inspection_id AND f.kind = 8 AND f.upheld)
                    THEN '已撤销' END
        FROM inspections v LEFT JOIN venue_categories c USING (category)
        WHERE {_OF} ORDER BY v.area, v.inspected_at, v.inspection_id
        """,
    ),
    Table.MEASURES: Layout(
        (
            "措施编号", "场所编号", "名称", "地区", "检查时间", "步骤", "文书", "整改期限", "整改时间", "暂停营业起",
            "暂停营业止",            "封条号", "解除时间", "申诉",
        ),
        f"""
        SELECT m.measure_id::text, v.venue_id::text, v.name, v.area, i.inspected_at, m.step,
               (SELECT string_agg(p.number, '；' ORDER BY p.paper, p.number) FROM measure_papers p
                WHERE p.measure_id = m.measure_id),
               m.rectify_by,
               (SELECT min(f.recorded_at) FROM ladder_facts f WHERE f.measure_id = m.measure_id AND f.kind = 2),
               s.starts_at, s.ends_at, s.seal_number,
               (SELECT min(f.recorded_at) FROM ladder_facts f
                WHERE f.venue_id = m.venue_id AND f.kind = 6 AND f.ordinal > own.ordinal),
               (SELECT CASE WHEN answer.upheld THEN '成立，已撤销' WHEN NOT answer.upheld THEN '不成立' ELSE '未决定' END
                FROM ladder_facts f LEFT JOIN ladder_facts answer ON answer.refers_to = f.fact_id
                WHERE f.measure_id = m.measure_id AND f.kind = 7 ORDER BY f.ordinal DESC LIMIT 1)
        FROM measures m JOIN venues v USING (venue_id) JOIN inspections i ON i.inspection_id = m.measure_id
        JOIN ladder_facts own ON own.fact_id = m.measure_id
        LEFT JOIN LATERAL (SELECT min(e.starts_at) AS starts_at, max(e.ends_at) AS ends_at, min(d.seal_number) AS seal_number
                           FROM suspensions d JOIN effective_suspensions e USING (suspension_id)
                           WHERE d.measure_id = m.measure_id) s ON true
        WHERE {_OF} ORDER BY v.area, i.inspected_at, m.measure_id
        """,
    ),
}  # fmt: skip
