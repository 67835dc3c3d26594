//! How a level finds and names files: `root`, `alias`, `index`, `types`, `default_type`. Given the directives of a block, it gives the
//! block's settings; it looks at no file.

use super::scope::Scope;
use super::tree::Directive;
use crate::failure::Outcome;
use crate::proxy::location::Pattern;
use crate::proxy::variables::Template;
use http::HeaderValue;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The settings of one level.
#[derive(Clone, Debug)]
pub(crate) struct FileSettings {
    pub(crate) root: Arc<Root>,
    pub(crate) index: Arc<[Template]>,
    pub(crate) types: Arc<Types>,
    /// `None` for `default_type ""`, which keeps the field from being sent.
    pub(crate) default_type: Option<HeaderValue>,
}

/// Where a level's files are.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) path: Template,
    pub(crate) base: Base,
    /// What a path stands under that begins with a variable and turns out not to be absolute.
    pub(crate) prefix: PathBuf,
}

/// What of the URI the path takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing: `root`.
    Root,
    /// As many bytes as the location names: `alias`.
    Alias(usize),
    /// All of it: `alias` in a location by regular expression.
    AliasOfExpression,
}

/// Types by the endings of names.
#[derive(Debug)]
pub(crate) struct Types(HashMap<Box<[u8]>, HeaderValue>);

impl FileSettings {
    /// nginx's own, under `prefix`.
    pub(super) fn new(prefix: &Path) -> Self {
        let pairs = [("html", "text/html"), ("gif", "image/gif"), ("jpg", "image/jpeg")];
        let pair =
            |(ending, kind): (&str, &'static str)| (ending.as_bytes().into(), HeaderValue::from_static(kind));
        let text = |text: &str| Template::default().after(text);
        Self {
            root: Arc::new(Root {
                path: text(&prefix.join("html").display().to_string()),
                base: Base::Root,
                prefix: prefix.to_owned(),
            }),
            index: [text("index.html")].into(),
            types: Arc::new(Types(pairs.into_iter().map(pair).collect())),
            default_type: Some(HeaderValue::from_static("text/plain")),
        }
    }

    /// Replaces what `block`, that of a location for `pattern`, says otherwise.
    pub(super) fn apply(
        &mut self,
        block: &[Directive],
        pattern: Option<&Pattern>,
        scope: &mut Scope<'_>,
    ) -> Outcome {
        let named = |name: &'static str| block.iter().filter(move |directive| directive.name == name);
        let mut roots = block.iter().filter(|directive| matches!(directive.name.as_str(), "root" | "alias"));
        if let Some(directive) = roots.next() {
            if let Some(second) = roots.next() {
                let (first, second_name) = (&directive.name, &second.name);
                return Err(second.error(format_args!(
                    "\"{second_name}\" directive is duplicate, \"{first}\" directive was specified earlier"
                )));
            }
            self.root = Arc::new(root(directive, pattern, scope)?);
        }
        if named("index").next().is_some() {
            self.index = index(named("index"), scope)?.into();
        }
        if named("types").next().is_some() {
            self.types = Arc::new(Types::read(named("types"), scope)?);
        }
        for directive in named("default_type") {
            self.default_type = kind(directive, directive.arg(0))?;
        }
        Ok(())
    }
}

fn root(directive: &Directive, pattern: Option<&Pattern>, scope: &Scope<'_>) -> Outcome<Root> {
    let (name, text) = (&directive.name, directive.arg(0));
    let is_alias = name == "alias";
    if is_alias && matches!(pattern, Some(Pattern::Named(_))) {
        return Err(directive.error("the \"alias\" directive cannot be used inside the named location"));
    }
    if text.contains("$document_root") || text.contains("${document_root}") {
        return Err(directive
            .error(format_args!("the $document_root variable cannot be used in the \"{name}\" directive")));
    }
    let stripped = text.strip_suffix('/').filter(|_| !is_alias);
    let path = scope.template(directive, stripped.unwrap_or(text))?;
    let whole = text.starts_with('/') || !path.begins_with_text();
    let path = if whole { path } else { path.after(&scope.path("").display().to_string()) };
    let base = match pattern {
        Some(Pattern::Regex(_)) if is_alias => Base::AliasOfExpression,
        Some(pattern) if is_alias => Base::Alias(pattern.length()),
        _ => Base::Root,
    };
    Ok(Root { path, base, prefix: scope.prefix.to_owned() })
}

fn index<'a>(
    directives: impl Iterator<Item = &'a Directive>,
    scope: &mut Scope<'_>,
) -> Outcome<Vec<Template>> {
    let mut names = Vec::new();
    for directive in directives {
        for (position, name) in directive.args.iter().enumerate() {
            if name.is_empty() {
                return Err(
                    directive.error(format_args!("index \"{name}\" in \"index\" directive is invalid"))
                );
            }
            if name.starts_with('/') && position + 1 < directive.args.len() {
                scope.warn(directive, "only the last index in \"index\" directive should be absolute");
            }
            names.push(scope.template(directive, name)?);
        }
    }
    Ok(names)
}

/// A type as a field's value; none for an empty one.
fn kind(directive: &Directive, text: &str) -> Outcome<Option<HeaderValue>> {
    let value = HeaderValue::from_str(text)
        .map_err(|_| directive.error(format_args!("invalid type \"{}\"", text.escape_debug())))?;
    Ok(Some(value).filter(|value| !value.is_empty()))
}

impl Types {
    fn read<'a>(blocks: impl Iterator<Item = &'a Directive>, scope: &mut Scope<'_>) -> Outcome<Self> {
        let mut types: HashMap<Box<[u8]>, HeaderValue> = HashMap::new();
        for directive in blocks.flat_map(Directive::inner) {
            if directive.block.is_some() {
                return Err(directive.error("unexpected \"{\""));
            }
            let Some(value) = kind(directive, &directive.name)? else { continue };
            for ending in &directive.args {
                let ending = ending.to_ascii_lowercase();
                if let Some(earlier) = types.insert(ending.as_bytes().into(), value.clone()) {
                    scope.warn(
                        directive,
                        format_args!(
                            "duplicate extension \"{ending}\", content type: \"{}\", previous content type: \"{}\"",
                            directive.name,
                            String::from_utf8_lossy(earlier.as_bytes()),
                        ),
                    );
                }
            }
        }
        Ok(Self(types))
    }

    /// The type of what is at `uri`, by its ending.
    pub(crate) fn of(&self, uri: &[u8]) -> Option<&HeaderValue> {
        let ending = ending(uri)?;
        if ending.iter().any(u8::is_ascii_uppercase) {
            return self.0.get(ending.to_ascii_lowercase().as_slice());
        }
        self.0.get(ending)
    }
}

/// What stands after the last dot of the last segment, unless that begins with it.
fn ending(uri: &[u8]) -> Option<&[u8]> {
    let name = uri.rsplit(|&byte| byte == b'/').next()?;
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0)?;
    Some(&name[dot + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_its_ending() {
        let types = &FileSettings::new(Path::new("/prefix")).types;
        let rows = [
            ("/a.html", Some("text/html")),
            ("/a.b.HTML", Some("text/html")),
            ("/a.jpg", Some("image/jpeg")),
            ("/a.jpg/", None),
            ("/a.jpg/b", None),
            ("/.html", None),
            ("/a.", None),
            ("/a", None),
            ("/", None),
        ];
        for (uri, want) in rows {
            assert_eq!(types.of(uri.as_bytes()).map(HeaderValue::as_bytes), want.map(str::as_bytes), "{uri}");
        }
    }
}
