//! `settings!`: the one way to declare settings. Field, documentation, default and bounds stand together once.

/// Declares a section: `pub struct Name in "section" { /// doc \n field: Type = "default" in "least"..="greatest", }`.
/// The field `outbox_bytes` of section `node` is the key `node.outbox-bytes`. Bounds are optional; an `Option` is unset
/// by the default `""`. An empty section name makes top-level settings.
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $about:literal])*
        $visibility:vis struct $name:ident in $section:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $default:literal $(in $least:literal ..= $greatest:literal)?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        $visibility struct $name {
            $(
                $(#[doc = $doc])+
                pub $field: $type,
            )*
        }

        impl $crate::config::Section for $name {
            const NAME: &'static str = $section;

            fn about() -> String {
                $crate::config::declared::sentences(&[$($about),*])
            }

            fn settings() -> Vec<$crate::config::Setting> {
                vec![$(
                    $crate::config::declared::setting::<$type>(
                        $crate::config::declared::Declaration {
                            section: $section,
                            field: stringify!($field),
                            default: $default,
                            bounds: [$($least, $greatest)?].as_slice(),
                            doc: &[$($doc),+],
                        },
                        |text| {
                            #[allow(unused_variables, reason = "unbounded settings ignore the value")]
                            let value = <$type as $crate::config::Value>::parse(text)?;
                            $($crate::config::declared::bounded::<$type>(&value, $least, $greatest)?;)?
                            Ok(())
                        },
                    ),
                )*]
            }

            fn read(settings: &$crate::config::Settings) -> Result<Self, $crate::config::ConfigError> {
                Ok(Self {
                    $($field: settings.value(
                        &$crate::config::declared::key($section, stringify!($field)),
                    )?,)*
                })
            }
        }
    };
}

/// What the expansion of [`settings!`](crate::settings) calls; not for use by hand.
pub mod declared {
    use super::super::catalogue::Setting;
    use super::super::value::Value;

    /// One field as it was written down.
    pub struct Declaration {
        /// The section's name.
        pub section: &'static str,
        /// The field's name.
        pub field: &'static str,
        /// The default's text.
        pub default: &'static str,
        /// Empty, or least and greatest.
        pub bounds: &'static [&'static str],
        /// The lines of the documentation.
        pub doc: &'static [&'static str],
    }

    /// The setting that a declaration means.
    pub fn setting<T: Value>(
        declared: Declaration,
        check: fn(&str) -> Result<(), String>,
    ) -> Setting {
        Setting {
            key: key(declared.section, declared.field),
            kind: T::KIND,
            default: declared.default,
            bounds: match declared.bounds {
                [least, greatest] => Some((least, greatest)),
                _ => None,
            },
            doc: sentences(declared.doc),
            secret: T::SECRET,
            from_file: T::FROM_FILE,
            switch: T::SWITCH,
            shown: T::shown,
            check,
        }
    }

    /// `node` and `outbox_bytes` → `node.outbox-bytes`.
    pub fn key(section: &str, field: &str) -> String {
        let field = field.replace('_', "-");
        if section.is_empty() {
            field
        } else {
            format!("{section}.{field}")
        }
    }

    /// The lines of a doc comment as one paragraph.
    pub fn sentences(lines: &[&str]) -> String {
        lines
            .iter()
            .map(|line| line.trim())
            .collect::<Vec<_>>()
            .join(" ")
            .trim()
            .to_owned()
    }

    /// Refuses what lies outside of the bounds.
    ///
    /// # Errors
    /// With the bounds in words.
    pub fn bounded<T: Value + PartialOrd>(
        value: &T,
        least: &str,
        greatest: &str,
    ) -> Result<(), String> {
        if *value < T::parse(least)? || *value > T::parse(greatest)? {
            return Err(format!("outside of {least} to {greatest}"));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(in super::super) mod tests {
        use super::super::super::Size;
        use crate::secret::Secret;

        crate::settings! {
            /// Top-level settings of the tests.
            pub(crate) struct Top in "" {
                /// Where it listens.
                listen: std::net::SocketAddr = "127.0.0.1:8080",
                /// Whether rate limits hold.
                limits: bool = "on",
            }
        }

        crate::settings! {
            /// A section
            /// of the tests.
            pub(crate) struct Demo in "demo" {
                /// Bytes that may wait
                /// for one connection.
                outbox_bytes: Size = "256KiB" in "1KiB"..="1MiB",
                /// Whom to trust.
                peers: Vec<String> = "",
                /// Spice of the hashes.
                pepper: Option<Secret> = "",
                /// How long.
                patience: std::time::Duration = "30s",
                /// Where it keeps things.
                store: Option<super::super::super::Url> = "",
            }
        }

        use super::super::super::{Catalogue, Section};

        #[test]
        fn a_declaration_holds_everything_about_a_setting() {
            let settings = Demo::settings();
            let outbox = &settings[0];
            assert_eq!(outbox.key, "demo.outbox-bytes");
            assert_eq!(outbox.flag(), "--demo-outbox-bytes");
            assert_eq!(outbox.variable(), "CHATIFY_DEMO_OUTBOX_BYTES");
            assert_eq!(outbox.doc, "Bytes that may wait for one connection.");
            assert_eq!(outbox.bounds, Some(("1KiB", "1MiB")));
            assert_eq!(Demo::about(), "A section of the tests.");
            assert!(settings[2].secret);
            assert_eq!(settings[2].flag(), "--demo-pepper-file");
        }

        #[test]
        fn defaults_pass_their_own_checks() {
            for setting in Catalogue::new().with::<Top>().with::<Demo>().settings() {
                assert_eq!((setting.check)(setting.default), Ok(()), "{}", setting.key);
            }
        }
    }
}
